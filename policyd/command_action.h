/* SPDX-License-Identifier: Apache-2.0 */
/* The actions that a command can have: a method of cellsd and a receipt. */
#ifndef POLICYD_COMMAND_ACTION_H
#define POLICYD_COMMAND_ACTION_H

#include <stdbool.h>

#include "lib/document/audit.h"
#include "lib/document/doc.h"
#include "lib/document/receipt.h"

/* What an action is to cellsd, and what it leaves. */
struct command_action {
	const char *method;
	/* The VP's afterwards; NULL: cellsd says, for it may find nothing to
	 * do. */
	const char *state;
	enum doc_action action;
	enum receipt_type receipt;
	enum audit_event event;
	bool has_id;	  /* the method takes the command's id */
	bool has_details; /* and answers with details */
	bool ends_vp;
};

/* By the name of the document's action; NULL: this version cannot do it. */
const struct command_action *command_action_find(const char *name);

/* Does the VP pass through the state of this receipt while it is done? */
bool command_action_passes(const char *name, enum receipt_type t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders: commands from outside, and what the device's own
 * rules demand (offline, attempts). Each is written down before it is done and
 * done again after a restart until its receipt is written; cellsd's methods are
 * idempotent, so that it happens once.
 */
#ifndef POLICYD_COMMAND_H
#define POLICYD_COMMAND_H

#include "lib/document/receipt.h"
#include "lib/json.h"
#include "policyd/store/store.h"

struct command;
struct err;
struct policyd;
struct verdict;

/* An order has ended a VP: what cellsd should hold is another thing now. */
typedef void command_ended_fn(struct policyd *p, const char *cause);

int command_new(command_ended_fn *ended, struct command **ret, struct err *e);
void command_free(struct command *c);

/* How long the id of an order is kept that lives so many seconds; and writes it
 * down. */
int64_t command_get_retention(const struct policyd *p, int64_t life);
int command_save(struct policyd *p, const struct store_command *j,
		 struct err *e);

/* A verified command. */
int command_receive(struct policyd *p, const struct doc_command *c,
		    struct verdict *ret, struct err *e);

/* A command or membership that was taken before, with the same bytes: its
 * receipt is sent once more. */
int command_repeat_receipt(struct policyd *p, const struct doc *d,
			   struct verdict *ret, struct err *e);

/* The device's own rule: lock or wipe the VP. The same id is done once. */
int command_enforce_rule(struct policyd *p, const char *id,
			 enum doc_action action, const char *vp,
			 const char *cause, struct err *e);

/* Does what is open; called when cellsd is ready, and after each order. */
void command_run_pending(struct policyd *p);
/* cellsd has gone: no answers will come. */
void command_handle_device_gone(struct policyd *p);

/* 1: an open order on the VP brings that receipt itself; 0: none does. */
int command_has_pending_receipt(struct policyd *p, const char *vp,
				enum receipt_type t, struct err *e);
/* The foreground changed. true: by an open order, which keeps the details. */
bool command_handle_switch(struct policyd *p, const char *to, json_t *details);

/* Receipts to be sent once more, since their command came again: seqs. Returns
 * how many, and forgets them. */
#define COMMAND_AGAIN_MAX 64
unsigned int command_pop_repeated_receipts(struct policyd *p,
					   int64_t ret[COMMAND_AGAIN_MAX]);

static inline void command_freep(struct command **c)
{
	command_free(*c);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/command_action.h"

#include "lib/auto.h"
#include "policyd/store/store.h"

#include <string.h>

static const struct command_action command_actions[] = {
	{ "Start", NULL, DOC_START, RECEIPT_STARTED, AUDIT_START },
	{ "Stop", NULL, DOC_STOP, RECEIPT_STOPPED, AUDIT_STOP },
	{ "Switch", NULL, DOC_SWITCH, RECEIPT_SWITCHED, AUDIT_SWITCH },
	{ "Lock", "locked", DOC_LOCK, RECEIPT_LOCKED, AUDIT_LOCK,
	  .has_details = true },
	{ "Unlock", NULL, DOC_UNLOCK, RECEIPT_UNLOCKED, AUDIT_UNLOCK },
	{ "Wipe", "absent", DOC_WIPE, RECEIPT_WIPED, AUDIT_WIPE, .has_id = true,
	  .has_details = true, .ends_vp = true },
	{ "Remove", "absent", DOC_REMOVE, RECEIPT_REMOVED, AUDIT_REMOVE,
	  .has_id = true, .has_details = true, .ends_vp = true },
};

const struct command_action *command_action_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(command_actions); i++)
		if (strcmp(doc_action_name(command_actions[i].action), name) ==
		    0)
			return &command_actions[i];
	return NULL;
}

bool command_action_passes(const char *name, enum receipt_type t)
{
	static const struct {
		enum receipt_type type;
		const char *actions;
	} table[] = {
		{ RECEIPT_STARTED, " start " },
		{ RECEIPT_STOPPED, " stop lock wipe remove " },
		{ RECEIPT_LOCKED, " lock " },
		{ RECEIPT_UNLOCKED, " unlock " },
	};
	char word[STORE_WORD_SIZE + 2];

	snprintf(word, sizeof(word), " %s ", name);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].type == t)
			return strstr(table[i].actions, word) != NULL;
	return false;
}

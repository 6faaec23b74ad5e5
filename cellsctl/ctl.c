/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsctl/ctl.h"

#include "cellsctl/daemon_client.h"
#include "lib/auto.h"

enum { TAKES_FORMAT = 1, TAKES_YES = 2, TAKES_STDIN = 4 };

static const struct verb verbs[] = {
	{ "list", "", 0, 0, "the VPs and their states", TAKES_FORMAT,
	  .run = ctl_list_vps },
	{ "status", "", 0, 0, "the device, its organisation, what is in force",
	  TAKES_FORMAT, .run = ctl_show_status },
	{ "switch", "VP", 1, 1, "bring a VP to the front; \"host\" is not a VP",
	  .run = ctl_switch_vp },
	{ "next", "", 0, 0, "bring the next running VP to the front",
	  .run = ctl_switch_next },
	{ "previous", "", 0, 0, "bring the running VP before it to the front",
	  .run = ctl_switch_previous },
	{ "prev", "", 0, 0, NULL, .run = ctl_switch_previous },
	{ "explain", "VP CLASS", 2, 2,
	  "may the VP use the class, and which rules say so", TAKES_FORMAT,
	  .run = ctl_explain_access },
	{ "enroll", "URI", 1, 1, "put the device under an organisation",
	  .run = ctl_enroll_device },
	{ "reset", "", 0, 0, "wipe every VP and leave the organisation",
	  TAKES_YES, .run = ctl_reset_device },
	{ "unlock", "VP", 1, 1, "unlock a VP by its passcode", TAKES_STDIN,
	  .run = ctl_unlock_vp },
	{ "passcode", "VP", 1, 1, "set, change or take away a VP's passcode",
	  TAKES_STDIN, .run = ctl_set_passcode },
	{ "unlock-config", "ID", 1, 1,
	  "let a protected config be replaced, for ten minutes", TAKES_STDIN,
	  .run = ctl_unlock_config },
	{ "exec", "VP -- COMMAND...", 2, VERB_COMMAND_LINE,
	  "run a program in a running VP", .run = ctl_exec_program },
	{ "console", "VP", 1, 1,
	  "the console of a running VP; Ctrl-] leaves it",
	  .run = ctl_open_console },
	{ NULL },
};

static const struct verb_group groups[] = { { NULL, verbs }, { NULL, NULL } };

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct ctl, member, name, letter, kind, arg, help)

static const struct verb_option options[] = {
	{ TAKES_FORMAT,
	  OPT(json, "format", 0, OPT_FORMAT, "table|json", "how to print") },
	{ TAKES_YES, OPT(yes, "yes", 'y', OPT_FLAG, NULL, "do not ask") },
	{ TAKES_STDIN, OPT(password_stdin, "password-stdin", 0, OPT_FLAG, NULL,
			   "read it from standard input") },
	{ 0, { NULL } },
};

static int connect_to_daemons(void *context, struct err *e)
{
	struct ctl *c = context;

	return daemon_client_new(&c->daemons, e);
}

int ctl_main(int argc, char **argv)
{
	static const struct verb_program program = {
		.name = "cellsctl",
		.summary = "Sees and steers the virtual phones of this device.",
		.groups = groups,
		.options = options,
		.open = connect_to_daemons,
	};
	struct ctl c = { 0 };
	int r = verb_main(&program, &c, argc, argv);

	daemon_client_free(c.daemons);
	return r;
}

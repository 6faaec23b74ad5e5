/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of cellsctl(1) as one table, and their shared context. */
#ifndef CELLSCTL_CTL_H
#define CELLSCTL_CTL_H

#include <stdbool.h>

#include "lib/verb.h"

struct daemon_client;
struct err;

/*
 * The context of the verbs: the shared options, and the connection to the
 * daemons.
 */
struct ctl {
	bool json;
	bool yes;
	bool password_stdin;
	struct daemon_client *daemons;
};

/* device_verbs.c: verbs that cellsd answers */
verb_fn ctl_list_vps, ctl_switch_vp, ctl_switch_next, ctl_switch_previous,
	ctl_exec_program, ctl_open_console;
/* policy_verbs.c: verbs that cells-policyd answers */
verb_fn ctl_show_status, ctl_explain_access, ctl_enroll_device,
	ctl_reset_device, ctl_unlock_vp, ctl_unlock_config, ctl_set_passcode;

int ctl_main(int argc, char **argv);

#endif

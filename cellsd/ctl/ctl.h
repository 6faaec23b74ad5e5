/* SPDX-License-Identifier: Apache-2.0 */
/* cellsctl(1): its verbs as one table, and what they share. */
#ifndef CELLSD_CTL_H
#define CELLSD_CTL_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "lib/json.h"
#include "lib/opt.h"

struct err;

/* What any verb may be given; a verb takes what its row says. */
struct ctl {
	bool json;
	bool yes;
	bool password_stdin;
	sd_bus *bus;
};

/*
 * argv are the arguments behind the options, NULL ends them. Returns the exit
 * code, or a negative errno with e filled.
 */
typedef int ctl_fn(struct ctl *c, char **argv, struct err *e);

/* device_verbs.c: what cellsd answers */
ctl_fn ctl_list, ctl_switch, ctl_next, ctl_previous, ctl_exec, ctl_console;
/* What cellsd lists: "vps" and "generation". */
int ctl_ask_list(struct ctl *c, json_t **ret, struct err *e);
/* What the machine does not enforce: objects with what, why, remedy. */
int ctl_ask_shortfalls(struct ctl *c, json_t **ret, struct err *e);
/* policy_verbs.c: what cells-policyd answers */
ctl_fn ctl_status, ctl_explain, ctl_enroll, ctl_reset, ctl_unlock,
	ctl_unlock_config, ctl_passcode;

int ctl_main(int argc, char **argv);

#endif

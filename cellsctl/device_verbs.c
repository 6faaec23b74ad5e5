/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that cellsd answers: org.cells.Device1. */
#include "cellsctl/ctl.h"
#include "cellsctl/daemon_client.h"
#include "cellsctl/relay.h"
#include "cellsctl/terminal.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A VP's error follows its state. */
static void append_state_remark(json_t *vp)
{
	const char *what =
		json_is_true(json_object_get(vp, "damaged"))   ? "damaged"
		: json_is_true(json_object_get(vp, "held-up")) ? "held up"
							       : NULL;
	char text[64];

	if (!what)
		return;
	snprintf(text, sizeof(text), "%s (%s)",
		 json_string_value(json_object_get(vp, "state")), what);
	json_object_set_new(vp, "state", json_string(text));
}

/* Memory as people read it. */
static void format_vp_columns(json_t *vps)
{
	json_t *vp;
	size_t i;

	json_array_foreach (vps, i, vp) {
		json_int_t n =
			json_integer_value(json_object_get(vp, "memory"));
		char text[24];

		append_state_remark(vp);
		encoding_format_size((uint64_t)n, text);
		json_object_set_new(vp, "memory",
				    n ? json_string(text) : json_null());
		if (json_integer_value(json_object_get(vp, "pid")) == 0)
			json_object_set_new(vp, "pid", json_null());
		if (!*json_string_value(json_object_get(vp, "address")))
			json_object_set_new(vp, "address", json_null());
		if (json_array_size(json_object_get(vp, "not-enforced")) == 0)
			json_object_set_new(vp, "not-enforced", json_null());
	}
}

int ctl_list_vps(void *context, const void *opts, char **argv, struct err *e)
{
	struct ctl *c = context;
	static const struct table_column columns[] = {
		{ "VP", "name" },
		{ "STATE", "state" },
		{ "PID", "pid" },
		{ "MEMORY", "memory" },
		{ "ADDRESS", "address" },
		{ "LABEL", "label" },
		{ "DATA", "medium" },
		{ "KEY IN SLOTS", "slots" },
		{ "NOT ENFORCED", "not-enforced" },
		{},
	};
	auto_json json_t *list = NULL;
	int r = daemon_client_list_vps(c->daemons, &list, e);

	if (r < 0)
		return r;
	if (c->json)
		return table_print_json(list, e);
	format_vp_columns(json_object_get(list, "vps"));
	return table_print_rows(columns, json_object_get(list, "vps"), e);
}

/* ---- switch */

int ctl_switch_vp(void *context, const void *opts, char **argv, struct err *e)
{
	struct ctl *c = context;
	const char *vp = strcmp(argv[0], "host") == 0 ? "" : argv[0];

	return daemon_client_switch_vp(c->daemons, vp, e);
}

static int switch_by_method(struct ctl *c, const char *method, struct err *e)
{
	auto_free char *vp = NULL;
	int r = daemon_client_switch_by(c->daemons, method, &vp, e);

	if (r == 0)
		puts(vp);
	return r;
}

int ctl_switch_next(void *context, const void *opts, char **argv, struct err *e)
{
	struct ctl *c = context;
	return switch_by_method(c, "Next", e);
}

int ctl_switch_previous(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct ctl *c = context;
	return switch_by_method(c, "Previous", e);
}

/* ---- inside a VP */

int ctl_exec_program(void *context, const void *opts, char **argv,
		     struct err *e)
{
	struct ctl *c = context;
	AUTO(relay_fini) struct relay relay;
	AUTO(daemon_client_exec_freep) struct daemon_client_exec *x = NULL;
	struct relay_end_condition end = {
		.fn = daemon_client_exec_is_finished
	};
	char **command = argv + 1;
	int r = relay_open(&relay, e);

	if (r < 0)
		return r;
	if (strcmp(*command, "--") == 0)
		command++;
	if (!*command)
		return err_usage(e, "usage: cellsctl exec VP -- COMMAND");
	r = daemon_client_exec_start(c->daemons, argv[0], command, relay.theirs,
				     &x, e);
	if (r < 0)
		return r;
	relay_close_program_fds(&relay);
	end.fd = daemon_client_exec_get_fd(x);
	end.arg = x;
	r = relay_run(&relay, &end, e);
	return r < 0 ? r : daemon_client_exec_get_status(x, e);
}

int ctl_open_console(void *context, const void *opts, char **argv,
		     struct err *e)
{
	struct ctl *c = context;
	auto_close int fd = -1;
	int r = daemon_client_open_console(c->daemons, argv[0], &fd, e);

	return r < 0 ? r : terminal_connect_console(fd, e);
}

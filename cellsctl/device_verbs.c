/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that cellsd answers: org.cells.Device1. */
#include "cellsctl/ctl.h"
#include "cellsctl/relay.h"
#include "cellsctl/terminal.h"
#include "lib/auto.h"
#include "lib/bus.h"
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

#define FOREVER UINT64_MAX

static int new_device_call(struct ctl *c, const char *method,
			   sd_bus_message **ret, struct err *e)
{
	return bus_new_call(c->bus, BUS_DEVICE_NAME, BUS_DEVICE_PATH, method,
			    ret, e);
}

/* A call with at most one text argument. */
static int call_device_method(struct ctl *c, const char *method,
			      const char *argument, sd_bus_message **ret,
			      struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = new_device_call(c, method, &m, e);

	if (r < 0)
		return r;
	if (argument)
		r = sd_bus_message_append(m, "s", argument);
	return r < 0 ? err_sys(e, -r, "call %s", method)
		     : bus_send_call(c->bus, m, FOREVER, method, ret, e);
}

/* ---- list */

static json_t *read_string_array(sd_bus_message *m)
{
	json_t *list = json_array();
	const char *s;

	if (sd_bus_message_enter_container(m, 'a', "s") < 0)
		return list;
	while (sd_bus_message_read(m, "s", &s) > 0)
		json_array_append_new(list, json_string(s));
	sd_bus_message_exit_container(m);
	return list;
}

/* The value of a variant; NULL: a type that we do not know, skipped. */
static json_t *read_variant_value(sd_bus_message *m)
{
	const char *type, *s;
	json_t *j = NULL;
	uint32_t u;
	uint64_t t;
	int b;

	if (sd_bus_message_peek_type(m, NULL, &type) < 0 ||
	    sd_bus_message_enter_container(m, 'v', type) < 0)
		return NULL;
	if (strcmp(type, "s") == 0 && sd_bus_message_read(m, "s", &s) > 0)
		j = json_string(s);
	else if (strcmp(type, "u") == 0 && sd_bus_message_read(m, "u", &u) > 0)
		j = json_integer(u);
	else if (strcmp(type, "t") == 0 && sd_bus_message_read(m, "t", &t) > 0)
		j = json_integer((json_int_t)t);
	else if (strcmp(type, "b") == 0 && sd_bus_message_read(m, "b", &b) > 0)
		j = json_boolean(b);
	else if (strcmp(type, "as") == 0)
		j = read_string_array(m);
	else
		sd_bus_message_skip(m, type);
	sd_bus_message_exit_container(m);
	return j;
}

static int read_vp_entry(sd_bus_message *m, json_t *vps)
{
	json_t *vp = json_object();
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	json_array_append_new(vps, vp);
	if (r < 0)
		return r;
	json_object_set_new(vp, "name", json_string(name));
	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read(m, "s", &name);
		if (r >= 0)
			json_object_set_new(vp, name, read_variant_value(m));
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_vp_list(sd_bus_message *m, json_t *ret)
{
	json_t *vps = json_array();
	uint64_t generation = 0;
	int r;

	json_object_set_new(ret, "vps", vps);
	r = sd_bus_message_enter_container(m, 'a', "(sa{sv})");
	while (r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'r', "sa{sv}")) > 0) {
		r = read_vp_entry(m, vps);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r >= 0)
		r = sd_bus_message_read(m, "t", &generation);
	json_object_set_new(ret, "generation",
			    json_integer((json_int_t)generation));
	return r;
}

int ctl_get_vp_list(struct ctl *c, json_t **ret, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	auto_json json_t *list = json_object();
	int r = call_device_method(c, "List", NULL, &reply, e);

	if (r < 0)
		return r;
	r = read_vp_list(reply, list);
	if (r < 0)
		return err_sys(e, -r, "read the list");
	*ret = steal(list);
	return 0;
}

int ctl_get_unsupported(struct ctl *c, json_t **ret, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	auto_json json_t *rows = json_array();
	const char *what, *why, *remedy;
	int r = call_device_method(c, "Status", NULL, &reply, e);

	if (r < 0)
		return r;
	r = sd_bus_message_enter_container(reply, 'a', "(sss)");
	while (r >= 0 && (r = sd_bus_message_read(reply, "(sss)", &what, &why,
						  &remedy)) > 0)
		json_array_append_new(rows,
				      json_pack("{ss ss ss}", "what", what,
						"why", why, "remedy", remedy));
	if (r < 0)
		return err_sys(e, -r, "read what is not enforced");
	*ret = steal(rows);
	return 0;
}

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
	int r = ctl_get_vp_list(c, &list, e);

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
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *vp = strcmp(argv[0], "host") == 0 ? "" : argv[0];

	return call_device_method(c, "Switch", vp, &reply, e);
}

static int call_switch_method(struct ctl *c, const char *method, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *vp;
	int r = call_device_method(c, method, NULL, &reply, e);

	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "s", &vp);
	if (r < 0)
		return err_sys(e, -r, "read the answer of %s", method);
	puts(vp);
	return 0;
}

int ctl_switch_next(void *context, const void *opts, char **argv, struct err *e)
{
	struct ctl *c = context;
	return call_switch_method(c, "Next", e);
}

int ctl_switch_previous(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct ctl *c = context;
	return call_switch_method(c, "Previous", e);
}

/* ---- inside a VP */

/* An Exec under way. */
struct exec_call {
	sd_bus *bus;
	sd_bus_message *reply;
};

static int on_exec_reply(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct exec_call *p = arg;

	p->reply = sd_bus_message_ref(m);
	return 0;
}

/* 1: it has ended, or the bus has. */
static bool is_exec_finished(void *arg)
{
	struct exec_call *p = arg;
	int r;

	do
		r = sd_bus_process(p->bus, NULL);
	while (r > 0 && !p->reply);
	return r < 0 || p->reply;
}

static int read_exit_status(sd_bus_message *reply, struct err *e)
{
	int status, r;

	if (!reply)
		return err_set(e, ECONNRESET, "exec: the bus went away");
	if (sd_bus_message_is_method_error(reply, NULL))
		return bus_convert_error(sd_bus_message_get_error(reply),
					 -sd_bus_message_get_errno(reply),
					 "exec", e);
	r = sd_bus_message_read(reply, "i", &status);
	return r < 0 ? err_sys(e, -r, "read the answer of Exec") : status;
}

static int relay_exec_call(struct ctl *c, sd_bus_message *m,
			   struct relay *relay, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	AUTO(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	struct exec_call p = { .bus = c->bus };
	const struct relay_end_condition end = { sd_bus_get_fd(c->bus),
						 is_exec_finished, &p };
	int r = sd_bus_message_append(m, "hhh", relay->theirs[0],
				      relay->theirs[1], relay->theirs[2]);

	if (r >= 0)
		r = sd_bus_call_async(c->bus, &slot, m, on_exec_reply, &p,
				      FOREVER);
	if (r >= 0)
		r = sd_bus_flush(c->bus);
	if (r < 0)
		return err_sys(e, -r, "call Exec");
	relay_close_program_fds(relay);
	r = relay_run(relay, &end, e);
	reply = p.reply;
	return r < 0 ? r : read_exit_status(reply, e);
}

int ctl_exec_program(void *context, const void *opts, char **argv,
		     struct err *e)
{
	struct ctl *c = context;
	AUTO(relay_fini) struct relay relay;
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	char **command = argv + 1;
	int r = relay_open(&relay, e);

	if (r < 0)
		return r;
	if (strcmp(*command, "--") == 0)
		command++;
	if (!*command)
		return err_set(e, EINVAL, "usage: cellsctl exec VP -- COMMAND");
	r = new_device_call(c, "Exec", &m, e);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "s", argv[0]);
	if (r >= 0)
		r = sd_bus_message_append_strv(m, command);
	return r < 0 ? err_sys(e, -r, "call Exec")
		     : relay_exec_call(c, m, &relay, e);
}

int ctl_open_console(void *context, const void *opts, char **argv,
		     struct err *e)
{
	struct ctl *c = context;
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int fd, r = call_device_method(c, "Console", argv[0], &reply, e);

	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "h", &fd);
	return r < 0 ? err_sys(e, -r, "read the answer of Console")
		     : terminal_connect_console(fd, e);
}

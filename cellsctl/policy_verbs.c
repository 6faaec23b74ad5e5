/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that cells-policyd answers: org.cells.Policy1. */
#include "cellsctl/ctl.h"
#include "cellsctl/daemon_client.h"
#include "cellsctl/prompt.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a VP's data is, how it is encrypted, who can open it; and whether its
 * programs may gain rights. */
static void append_data_row(json_t *all, json_t *vp)
{
	static const char *const members[] = {
		"name",	 "medium",	  "encryption",
		"slots", "key-in-kernel", "no-new-privileges"
	};
	json_t *row = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		json_object_set(row, members[i],
				json_object_get(vp, members[i]));
	json_array_append_new(all, row);
}

static int show_data_table(const json_t *all, struct err *e)
{
	static const struct table_column columns[] = {
		{ "VP", "name" },
		{ "DATA", "medium" },
		{ "ENCRYPTION", "encryption" },
		{ "KEY IN SLOTS", "slots" },
		{ "AND IN THE KERNEL", "key-in-kernel" },
		{ "NO NEW PRIVILEGES", "no-new-privileges" },
		{},
	};

	if (json_array_size(all) == 0)
		return 0;
	putchar('\n');
	return table_print_rows(columns, all, e);
}

/*
 * What this machine does not enforce, {VP: names}, and VPs' data, as cellsd has
 * it; nothing while it is away.
 */
static void add_vp_unsupported(struct ctl *c, json_t *status)
{
	json_t *data = json_array();
	auto_json json_t *list = NULL;
	json_t *all = json_object(), *vp, *names;
	struct err e;
	size_t i;

	if (daemon_client_list_vps(c->daemons, &list, &e) == 0)
		json_array_foreach (json_object_get(list, "vps"), i, vp) {
			append_data_row(data, vp);
			names = json_object_get(vp, "not-enforced");
			if (json_array_size(names) > 0)
				json_object_set(
					all,
					json_string_value(
						json_object_get(vp, "name")),
					names);
		}
	json_object_set_new(status, "not_enforced", all);
	json_object_set_new(status, "data", data);
}

/* Of the machine as a whole; nothing while cellsd is away. */
static void add_device_unsupported(struct ctl *c, json_t *status)
{
	json_t *rows = NULL;
	struct err e;

	if (daemon_client_list_unsupported(c->daemons, &rows, &e) == 0)
		json_object_set_new(status, "not_enforced_here", rows);
}

static int show_device_unsupported(const json_t *rows, struct err *e)
{
	static const struct table_column columns[] = {
		{ "WHAT", "what" },
		{ "WHY", "why" },
		{ "REMEDY", "remedy" },
		{},
	};

	if (!rows)
		return 0;
	printf("\nNot enforced here%s\n",
	       json_array_size(rows) == 0 ? ": nothing" : "");
	return json_array_size(rows) == 0 ? 0
					  : table_print_rows(columns, rows, e);
}

static int show_vp_unsupported(const json_t *all, struct err *e)
{
	static const struct table_column columns[] = {
		{ "VP", "vp" },
		{ "NOT ENFORCED", "names" },
		{},
	};
	auto_json json_t *rows = json_array();
	const char *vp;
	json_t *names;

	json_object_foreach ((json_t *)all, vp, names)
		json_array_append_new(
			rows, json_pack("{ss sO}", "vp", vp, "names", names));
	if (json_array_size(rows) == 0)
		return 0;
	putchar('\n');
	return table_print_rows(columns, rows, e);
}

int ctl_show_status(void *context, const void *opts, char **argv, struct err *e)
{
	struct ctl *c = context;
	static const struct table_column fields[] = {
		{ "enrolled", "enrolled" },
		{ "device", "device" },
		{ "organisation", "org" },
		{ "group", "group" },
		{ "epoch", "epoch" },
		{ "enforcement", "enforcement" },
		{ "root", "root" },
		{ "state", "state" },
		{ "secure time", "secure_time" },
		{ "snapshot", "snapshot" },
		{ "staged", "staged" },
		{ "hardware", "inventory" },
		{ "receipts", "receipts" },
		{ "audit", "audit" },
		{ "locked out", "locked_out" },
		{},
	};
	static const struct table_column documents[] = {
		{ "TYPE", "type" },
		{ "ID", "id" },
		{ "VERSION", "version" },
		{ "SHA256", "sha256" },
		{},
	};
	auto_json json_t *j = NULL;
	int r = daemon_client_get_policy_json(c->daemons, "Status", NULL, NULL,
					      &j, e);

	if (r < 0)
		return r;
	add_vp_unsupported(c, j);
	add_device_unsupported(c, j);
	if (c->json)
		return table_print_json(j, e);
	r = table_print_object(fields, j, e);
	if (r < 0)
		return r;
	r = show_data_table(json_object_get(j, "data"), e);
	if (r == 0)
		r = show_device_unsupported(
			json_object_get(j, "not_enforced_here"), e);
	if (r == 0)
		r = show_vp_unsupported(json_object_get(j, "not_enforced"), e);
	if (r < 0 || json_array_size(json_object_get(j, "documents")) == 0)
		return r;
	putchar('\n');
	return table_print_rows(documents, json_object_get(j, "documents"), e);
}

static void show_refusal_reasons(json_t *rules)
{
	json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		const char *reason =
			json_string_value(json_object_get(rule, "reason"));
		const char *policy =
			json_string_value(json_object_get(rule, "policy"));

		if (reason && policy)
			printf("\n%s, line %lld: %s, the policy requires more "
			       "than this device enforces\n",
			       policy,
			       (long long)json_integer_value(
				       json_object_get(rule, "line")),
			       reason);
	}
}

int ctl_explain_access(void *context, const void *opts, char **argv,
		       struct err *e)
{
	struct ctl *c = context;
	static const struct table_column fields[] = {
		{ "verdict", "verdict" },     { "mode", "mode" },
		{ "in front", "foreground" }, { "its mode", "front_mode" },
		{ "until", "until" },	      {},
	};
	static const struct table_column rules[] = {
		{ "POLICY", "policy" },	    { "VERSION", "version" },
		{ "LINE", "line" },	    { "CLASS", "class" },
		{ "MODE", "mode" },	    { "WINDOW", "window" },
		{ "SIGNED BY", "signers" }, {},
	};
	auto_json json_t *j = NULL;
	int r = daemon_client_get_policy_json(c->daemons, "Explain", argv[0],
					      argv[1], &j, e);

	if (r < 0)
		return r;
	if (c->json)
		return table_print_json(j, e);
	r = table_print_object(fields, j, e);
	if (r < 0)
		return r;
	if (json_array_size(json_object_get(j, "rules")) == 0) {
		puts("no rule speaks of it: none");
		return 0;
	}
	putchar('\n');
	r = table_print_rows(rules, json_object_get(j, "rules"), e);
	if (r == 0)
		show_refusal_reasons(json_object_get(j, "rules"));
	return r;
}

int ctl_enroll_device(void *context, const void *opts, char **argv,
		      struct err *e)
{
	struct ctl *c = context;
	auto_free char *device = NULL;
	int r = daemon_client_get_policy_text(c->daemons, "Enroll", argv[0],
					      NULL, &device, e);

	if (r == 0)
		printf("enrolled as %s\n", device);
	return r;
}

int ctl_reset_device(void *context, const void *opts, char **argv,
		     struct err *e)
{
	struct ctl *c = context;
	int r = 0;

	if (!c->yes)
		r = prompt_confirm_word(
			"This wipes every VP and leaves the organisation.\n"
			"Type \"reset\" to go on: ",
			"reset", e);
	return r < 0 ? r : daemon_client_reset(c->daemons, e);
}

/* A call of (s name, ay secret). The secret is zeroed on the way out. */
static int send_secret_call(struct ctl *c, const char *method, const char *name,
			    const char *prompt, struct err *e)
{
	char secret[TTY_LINE_SIZE];
	struct daemon_client_secret s = { secret, 0 };
	int r = prompt_read_secret(prompt, c->password_stdin, secret, &s.len,
				   e);

	if (r == 0)
		r = daemon_client_send_secrets(c->daemons, method, name, &s, 1,
					       method, e);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

int ctl_unlock_vp(void *context, const void *opts, char **argv, struct err *e)
{
	struct ctl *c = context;
	return send_secret_call(c, "Unlock", argv[0], "Passcode: ", e);
}

struct passcodes {
	char old[TTY_LINE_SIZE], fresh[TTY_LINE_SIZE], again[TTY_LINE_SIZE];
	size_t old_len, fresh_len, again_len;
};

static void passcodes_wipe(struct passcodes *p)
{
	explicit_bzero(p, sizeof(*p));
}

/* From standard input, two lines; at the terminal the new one is typed twice.
 */
static int read_passcodes(struct ctl *c, struct passcodes *p, struct err *e)
{
	bool in = c->password_stdin;
	int r = prompt_read_optional_secret("Passcode (Enter: there is none): ",
					    in, p->old, &p->old_len, e);

	if (r == 0)
		r = prompt_read_optional_secret(
			"New passcode (Enter: none any more): ", in, p->fresh,
			&p->fresh_len, e);
	if (r == -ENODATA && in)
		return err_set(e, ENODATA,
			       "standard input must hold two lines: the "
			       "passcode (empty: there is none) and the new "
			       "one (empty: none any more)");
	if (r == 0 && p->old_len == 0 && p->fresh_len == 0)
		return err_set(e, EINVAL,
			       "neither a passcode nor a new one: nothing is "
			       "set");
	if (r < 0 || in)
		return r;
	r = prompt_read_optional_secret("The new one again: ", in, p->again,
					&p->again_len, e);
	if (r == 0 && strcmp(p->fresh, p->again) != 0)
		return err_set(e, EINVAL, "the two are not the same");
	return r;
}

int ctl_set_passcode(void *context, const void *opts, char **argv,
		     struct err *e)
{
	struct ctl *c = context;
	AUTO(passcodes_wipe) struct passcodes p = { 0 };
	int r = read_passcodes(c, &p, e);
	const struct daemon_client_secret secrets[] = {
		{ p.old, p.old_len },
		{ p.fresh, p.fresh_len },
	};

	return r < 0 ? r
		     : daemon_client_send_secrets(
			       c->daemons, "SetPasscode", argv[0], secrets,
			       ARRAY_SIZE(secrets), "set the passcode", e);
}

int ctl_unlock_config(void *context, const void *opts, char **argv,
		      struct err *e)
{
	struct ctl *c = context;
	return send_secret_call(c, "UnlockConfig", argv[0],
				"Config password: ", e);
}

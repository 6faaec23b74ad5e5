/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/list.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/device_key.h"
#include "cellsadm/verbs/command.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>

struct device_opts {
	const char *filter;
};

static const struct table_column device_columns[] = {
	{ "ID", "id" },
	{ "NAME", "name" },
	{ "GROUP", "group" },
	{ "STATE", "state" },
	{ "CONNECTED", "connected" },
	{ "COMPLIANT", "compliant" },
	{ "LEVEL", "enforcement" },
	{ "FRONT", "foreground" },
	{ "SEEN", "seen" },
	{ NULL }
};

static const struct table_column detail_columns[] = {
	{ "ID", "id" },
	{ "NAME", "name" },
	{ "LABELS", "labels" },
	{ "GROUP", "group" },
	{ "STATE", "state" },
	{ "EPOCH", "epoch" },
	{ "KEY", "key" },
	{ "CONNECTED", "connected" },
	{ "ENROLLED", "enrolled" },
	{ "SEEN", "seen" },
	{ "COMPLIANT", "compliant" },
	{ "ENFORCEMENT", "enforcement" },
	{ "FOREGROUND", "foreground" },
	{ "SNAPSHOT", "snapshot" },
	{ "RECEIPTS", "receipts" },
	{ "AUDIT", "audit" },
	{ "ALARMS", "alarms" },
	{ NULL }
};

static int verb_device_list(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	const struct device_opts *o = opts;
	return list_print_items(
		a, REMOTE_PATH("devices", "?", "filter", o->filter), 0,
		device_columns, e);
}

/* The key that its receipts are verified by, and how well it is known. */
static void add_receipt_key(struct adm *a, json_t *device)
{
	const char *id = json_string_value(json_object_get(device, "id"));
	const char *epoch = json_string_value(json_object_get(device, "epoch"));
	AUTO(device_key_fini) struct device_key b = { 0 };
	auto_free char *pem = NULL;
	struct err e;

	if (!id || !epoch || device_key_get(a, id, epoch, &b, &e) < 0 ||
	    key_to_pem(b.key, false, &pem, &e) < 0)
		return;
	json_object_set_new(device, "key",
			    json_string(device_key_trust_name(&b)));
	json_object_set_new(device, "receipt_key", json_string(pem));
}

static int verb_device_show(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	static const struct table_column documents[] = {
		{ "IN FORCE", "type" },
		{ "ID", "id" },
		{ "VERSION", "version" },
		{ "SHA256", "sha256", TABLE_DIGEST },
		{ NULL }
	};
	auto_json json_t *j = NULL;
	const json_t *in_force;
	int r = remote_get(a, REMOTE_PATH("devices", argv[0]), &j, e);

	if (r < 0)
		return r;
	add_receipt_key(a, j);
	r = adm_print_object(a, detail_columns, j, e);
	if (r < 0 || a->json)
		return r;
	in_force = json_object_get(j, "documents");
	if (json_array_size(in_force) == 0)
		return 0;
	putchar('\n');
	return adm_print_rows(a, documents, in_force, e);
}

static int verb_device_rename(void *context, const void *opts, char **argv,
			      struct err *e)
{
	struct adm *a = context;
	auto_json json_t *body = json_pack("{ss}", "name", argv[1]);
	auto_json json_t *j = NULL;
	int r;

	if (!body)
		return err_set(e, EINVAL, "'%s': not a name", argv[1]);
	r = remote_send(a, "PATCH", REMOTE_PATH("devices", argv[0]), body, &j,
			e);
	return r < 0 ? r : adm_print_object(a, detail_columns, j, e);
}

/* LABEL=VALUE sets, LABEL alone takes away. */
static int verb_device_label(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	auto_json json_t *labels = json_object(), *body = NULL, *j = NULL;
	int r;

	for (unsigned int i = 1; argv[i]; i++) {
		char *equal = strchr(argv[i], '=');

		if (equal)
			*equal = '\0';
		json_object_set_new(labels, argv[i],
				    equal ? json_string(equal + 1)
					  : json_null());
	}
	body = json_pack("{sO}", "labels", labels);
	if (!body)
		return err_oom(e, argv[0]);
	r = remote_send(a, "PATCH", REMOTE_PATH("devices", argv[0]), body, &j,
			e);
	return r < 0 ? r : adm_print_object(a, detail_columns, j, e);
}

static int verb_device_retire(void *context, const void *opts, char **argv,
			      struct err *e)
{
	struct adm *a = context;
	auto_json json_t *j = NULL;
	char question[160];
	int r;

	snprintf(question, sizeof(question),
		 "Cut %s off for good (its record stays)", argv[0]);
	r = adm_confirm(a, question, e);
	if (r >= 0)
		r = remote_send(a, "POST",
				REMOTE_PATH("devices", argv[0], "retire"), NULL,
				&j, e);
	return r < 0 ? r : adm_print_object(a, detail_columns, j, e);
}

static int verb_device_move(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	struct command_request o = *(const struct command_request *)opts;

	o.device = argv[0];
	o.group = argv[1];
	return command_run(a, &o, e);
}

static const struct opt list_opts[] = {
	VERB_OPT(struct device_opts, filter, "filter", 0, OPT_STRING, "FILTER",
		 "such as \"group eq field and connected eq true\""),
	{ NULL },
};

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct command_request, member, name, letter, kind, arg, help)
static const struct opt move_opts[] = {
	OPT(wait, "wait", 'w', OPT_FLAG, NULL, "until the receipt is verified"),
	OPT(timeout, "timeout", 0, OPT_STRING, "TIME", "wait no longer"),
	OPT(ttl, "ttl", 0, OPT_STRING, "TIME",
	    "expires after 30d at most; 24h"),
	OPT(out, "out", 'o', OPT_STRING, "FILE",
	    "sign into a file, for others to sign"),
	OPT(in, "in", 'i', OPT_STRING, "FILE",
	    "take it from there, add signatures, submit"),
	OPT(epoch, "epoch", 0, OPT_STRING, "HEX",
	    "the device's epoch, without asking the server"),
	OPT(after, "after", 0, OPT_STRING, "DIGEST",
	    "only if this move was its last"),
	{ NULL },
};

const struct verb verb_device_table[] = {
	{ "list", "", 0, 0, "devices of the fleet", VERB_SERVER | VERB_FORMAT,
	  list_opts, sizeof(struct device_opts), verb_device_list },
	{ "show", "DEVICE", 1, 1, "one device", VERB_SERVER | VERB_FORMAT, NULL,
	  0, verb_device_show },
	{ "rename", "DEVICE NAME", 2, 2, "name for people",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_device_rename },
	{ "label", "DEVICE LABEL[=VALUE]...", 2, 33,
	  "set labels, or take them away", VERB_SERVER | VERB_FORMAT, NULL, 0,
	  verb_device_label },
	{ "move", "DEVICE GROUP[:MIN]", 2, 2, "sign it into another group",
	  VERB_SERVER | VERB_KEYS | VERB_YES | VERB_FORMAT, move_opts,
	  sizeof(struct command_request), verb_device_move },
	{ "retire", "DEVICE", 1, 1, "cut it off for good",
	  VERB_SERVER | VERB_YES | VERB_FORMAT, NULL, 0, verb_device_retire },
	{ NULL },
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/list.h"
#include "cellsadm/remote.h"
#include "cellsadm/verbs/command.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>

static int run_vp_command(struct adm *a, const void *opts, char **argv,
			  const char *action, struct err *e)
{
	struct command_request o = *(const struct command_request *)opts;

	o.device = argv[0];
	o.vp = argv[0] ? argv[1] : NULL;
	o.action = action;
	return command_run(a, &o, e);
}

#define ACTION(word, name)                                                     \
	static int verb_vp_##word(void *context, const void *opts,             \
				  char **argv, struct err *e)                  \
	{                                                                      \
		return run_vp_command(context, opts, argv, name, e);           \
	}
ACTION(lock, "lock")
ACTION(unlock, "unlock")
ACTION(wipe, "wipe")
ACTION(start, "start")
ACTION(stop, "stop")
ACTION(switch, "switch")
ACTION(remove, "remove")

static int verb_vp_list(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct adm *a = context;
	static const struct table_column columns[] = {
		{ "VP", "vp" },
		{ "LABEL", "label" },
		{ "CONFIG", "config.version" },
		{ "IMAGE", "image.id" },
		{ "VERSION", "image.version" },
		{ "FRONT", "foreground" },
		{ "STATE", "state" },
		{ "REPORTED", "reported" },
		{ "SINCE", "since" },
		{ NULL }
	};

	return list_print_items(a, REMOTE_PATH("devices", argv[0], "vps"), 0,
				columns, e);
}

/* ---- actions */
struct action_opts {
	const char *filter, *timeout;
};

static const struct table_column action_columns[] = {
	{ "ID", "id" },
	{ "ACTION", "action" },
	{ "VP", "vp" },
	{ "STATE", "state" },
	{ "SIGNERS", "signers", TABLE_NAMES },
	{ "CREATED", "created" },
	{ "BY", "by" },
	{ "REASON", "reason" },
	{ "RECEIPT", "receipt.seq" },
	{ NULL }
};

static int verb_action_list(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	const struct action_opts *o = opts;
	return list_print_items(a,
				REMOTE_PATH("devices", argv[0], "actions", "?",
					    "filter", o->filter),
				0, action_columns, e);
}

/* The signed command itself, as far as the server gives it out. */
static void add_command_envelope(struct adm *a, json_t *action)
{
	const char *sha256 =
		json_string_value(json_object_get(action, "sha256"));
	json_t *env = NULL;
	struct err e;

	if (sha256 && !json_object_get(action, "envelope") &&
	    remote_get(a, REMOTE_PATH("documents", sha256, "envelope"), &env,
		       &e) == 0)
		json_object_set_new(action, "envelope", env);
}

static int verb_action_show(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	auto_json json_t *j = NULL;
	int r = remote_get(
		a, REMOTE_PATH("devices", argv[0], "actions", argv[1]), &j, e);

	if (r >= 0 && a->json)
		add_command_envelope(a, j);
	return r < 0 ? r : adm_print_object(a, action_columns, j, e);
}

static int verb_action_wait(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	const struct action_opts *o = opts;
	auto_json json_t *j = NULL;
	uint8_t digest[HASH_SIZE];
	const char *sha256;
	int r = remote_get(
		a, REMOTE_PATH("devices", argv[0], "actions", argv[1]), &j, e);

	if (r < 0)
		return r;
	sha256 = json_string_value(json_object_get(j, "sha256"));
	if (!sha256 || encoding_parse_digest(sha256, digest) < 0)
		return err_set(e, EBADMSG, "the server gives no digest of %s",
			       argv[1]);
	return command_wait(a, argv[0], argv[1],
			    json_string_value(json_object_get(j, "vp")), digest,
			    o->timeout, e);
}

static int verb_action_cancel(void *context, const void *opts, char **argv,
			      struct err *e)
{
	struct adm *a = context;
	auto_json json_t *j = NULL;
	int r = remote_send(
		a, "POST",
		REMOTE_PATH("devices", argv[0], "actions", argv[1], "cancel"),
		NULL, &j, e);

	return r < 0 ? r : adm_print_object(a, action_columns, j, e);
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct command_request, member, name, letter, kind, arg, help)
#define ACTION_OPT(member, name, arg, help)                                    \
	VERB_OPT(struct action_opts, member, name, 0, OPT_STRING, arg, help)
#define ORDER_OPTS                                                             \
	OPT(wait, "wait", 'w', OPT_FLAG, NULL,                                 \
	    "until the receipt is verified"),                                  \
		OPT(timeout, "timeout", 0, OPT_STRING, "TIME",                 \
		    "wait no longer than 30s, 10m; until it ends"),            \
		OPT(ttl, "ttl", 0, OPT_STRING, "TIME",                         \
		    "expires after 1h, 30d at most; 24h"),                     \
		OPT(out, "out", 'o', OPT_STRING, "FILE",                       \
		    "sign into a file, for others to sign"),                   \
		OPT(in, "in", 'i', OPT_STRING, "FILE",                         \
		    "take it from there, add signatures, submit"),             \
		OPT(epoch, "epoch", 0, OPT_STRING, "HEX",                      \
		    "the device's epoch, without asking the server"),          \
		OPT(any_vp, "any-vp", 0, OPT_FLAG, NULL,                       \
		    "also a VP that no receipt names")

static const struct opt order_opts[] = { ORDER_OPTS, { NULL } };
static const struct opt unlock_opts[] = {
	ORDER_OPTS,
	OPT(sealed_key, "sealed-key", 0, OPT_STRING, "FILE",
	    "the data key, sealed to the device's receipt key"),
	OPT(recovery_key, "recovery-key", 0, OPT_STRING, "KEY",
	    "give the data key back, from the receipt of the lock"),
	{ NULL },
};
static const struct opt list_opts[] = {
	ACTION_OPT(filter, "filter", "FILTER", "such as \"state eq pending\""),
	{ NULL },
};
static const struct opt wait_opts[] = {
	ACTION_OPT(timeout, "timeout", "TIME", "no longer than 30s, 10m"),
	{ NULL },
};

#define FLAGS (VERB_SERVER | VERB_KEYS | VERB_YES | VERB_FORMAT)
#define VP_VERB(name, word, text)                                              \
	{                                                                      \
		name, "DEVICE VP", 2, 2, text, FLAGS, order_opts,              \
			sizeof(struct command_request), verb_vp_##word         \
	}

const struct verb verb_vp_table[] = {
	{ "list", "DEVICE", 1, 1, "VPs of a device", VERB_SERVER | VERB_FORMAT,
	  NULL, 0, verb_vp_list },
	VP_VERB("start", start, "start it"),
	VP_VERB("stop", stop, "stop it; its data stay"),
	VP_VERB("switch", switch, "bring it to the front"),
	VP_VERB("lock", lock, "lock it: no access without the passcode"),
	{ "unlock", "DEVICE VP", 2, 2, "unlock it", FLAGS, unlock_opts,
	  sizeof(struct command_request), verb_vp_unlock },
	VP_VERB("wipe", wipe, "destroy its data"),
	VP_VERB("remove", remove, "destroy it whole"),
	{ NULL },
};

const struct verb verb_action_table[] = {
	{ "list", "DEVICE", 1, 1, "commands to a device",
	  VERB_SERVER | VERB_FORMAT, list_opts, sizeof(struct action_opts),
	  verb_action_list },
	{ "show", "DEVICE ACTION", 2, 2, "one command",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_action_show },
	{ "wait", "DEVICE ACTION", 2, 2, "until its receipt is verified",
	  VERB_SERVER, wait_opts, sizeof(struct action_opts),
	  verb_action_wait },
	{ "cancel", "DEVICE ACTION", 2, 2,
	  "cancel what the device has not taken", VERB_SERVER | VERB_FORMAT,
	  NULL, 0, verb_action_cancel },
	{ NULL },
};

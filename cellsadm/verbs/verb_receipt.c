/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/device_key.h"
#include "cellsadm/trust/keyring.h"
#include "cellsadm/trust/trust_root.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/display.h"
#include "lib/document/enroll_uri.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>

#define KEYS_MAX (256 * 1024)

struct receipt_opts {
	const char *filter, *out, *key, *keys, *bind;
	uint64_t limit;
};

/* The token of --bind: 64 hex digits, or the enrollment URI that holds it. */
static int parse_enrollment_token(const char *s, uint8_t ret[32], struct err *e)
{
	struct enroll_uri u;
	int r;

	if (encoding_from_hex(s, ret, 32) == 0)
		return 0;
	r = enroll_uri_parse(s, &u, e);
	if (r < 0)
		return r;
	memcpy(ret, u.token, 32);
	return 0;
}

/* One entry of devices/{device}/keys, or the whole answer. */
static int load_key_from_file(struct adm *a, const struct receipt_opts *o,
			      const char *epoch, struct device_key *ret,
			      struct err *e)
{
	auto_free char *text = NULL;
	auto_json json_t *j = NULL;
	uint8_t token[32];
	const json_t *entry, *found = NULL, *items;
	size_t len, i;
	int r = io_read_file(o->keys, KEYS_MAX, &text, &len, e);

	if (r >= 0)
		r = json_parse(text, len, o->keys, &j, e);
	if (r >= 0 && o->bind)
		r = parse_enrollment_token(o->bind, token, e);
	if (r < 0)
		return r;
	items = json_is_array(j) ? j : json_object_get(j, "items");
	if (!items)
		found = j;
	json_array_foreach (items, i, entry) {
		const char *its =
			json_string_value(json_object_get(entry, "epoch"));

		if (its && strcmp(its, epoch) == 0)
			found = entry;
	}
	if (!found)
		return err_set(e, ENOENT, "%s: no keys of epoch %s", o->keys,
			       epoch);
	return device_key_verify(a, found, o->bind ? token : NULL, ret, e);
}

static int find_receipt_key(struct adm *a, const struct receipt_opts *o,
			    const struct receipt *r, struct device_key *ret,
			    struct err *e)
{
	struct err ignored;
	int ret_code;

	if (o->key) {
		ret->given = true;
		return keyring_load_public(a, o->key, &ret->key, NULL, e);
	}
	if (o->keys)
		return load_key_from_file(a, o, r->epoch, ret, e);
	ret_code = device_key_load(a, r->device, r->epoch, ret, e);
	if (ret_code == 0 || !adm_get_server_or_null(a))
		return ret_code == -ENOENT ? err_set(e, ENOENT,
						     "no key of %s is known "
						     "here: use --key "
						     "or --keys",
						     r->device)
					   : ret_code;
	ret_code = device_key_get(a, r->device, r->epoch, ret, &ignored);
	if (ret_code < 0)
		*e = ignored;
	return ret_code;
}

static int verify_receipt_envelope(struct adm *a, const struct receipt_opts *o,
				   const struct envelope *env,
				   struct receipt *ret, struct device_key *key,
				   struct err *e)
{
	AUTO(receipt_fini) struct receipt unproved = { 0 };
	int r;

	/* Only to learn whose key it should be; nothing of it is believed. */
	r = receipt_parse(env->payload, env->payload_len, &unproved, e);
	if (r >= 0)
		r = find_receipt_key(a, o, &unproved, key, e);
	if (r >= 0)
		r = receipt_open(env, key->key, ret, e);
	if (r < 0)
		return r;
	if (*key->device && strcmp(key->device, ret->device) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "the receipt is of %s, its key of %s",
				  ret->device, key->device);
	return 0;
}

static json_t *verify_receipt_file(struct adm *a, const struct receipt_opts *o,
				   const char *path, bool *bad)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(receipt_fini) struct receipt receipt = { 0 };
	AUTO(device_key_fini) struct device_key key = { 0 };
	struct err e = { 0 };
	int r = envelope_read_file(path, &env, &e);

	if (r >= 0)
		r = verify_receipt_envelope(a, o, env, &receipt, &key, &e);
	if (r < 0) {
		*bad = true;
		return json_pack("{ss sb ss ss}", "file", path, "valid", 0,
				 "reason", err_code(&e), "text", e.text);
	}
	return json_pack("{ss sb ss ss ss sI ss ss sO}", "file", path, "valid",
			 1, "key", device_key_trust_name(&key), "device",
			 receipt.device, "epoch", receipt.epoch, "seq",
			 (json_int_t)receipt.seq, "type",
			 receipt_type_name(receipt.type), "time", receipt.time,
			 "receipt", receipt.json);
}

static void print_receipt_row(const json_t *row)
{
	auto_free char *file = display_escape(json_get_string(row, "file"));
	auto_free char *text = display_escape(json_get_string(row, "text"));

	if (!json_is_true(json_object_get(row, "valid")))
		printf("%s: NOT VALID: %s (%s)\n", file ? file : "",
		       text ? text : "", json_get_string(row, "reason"));
	else
		printf("%s: valid: %s, seq %lld of %s, %s, key: %s\n",
		       file ? file : "", json_get_string(row, "type"),
		       (long long)json_integer_value(
			       json_object_get(row, "seq")),
		       json_get_string(row, "device"),
		       json_get_string(row, "time"),
		       json_get_string(row, "key"));
}

static int compare_receipt_seq(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	const char *ex = json_string_value(json_object_get(x, "epoch"));
	const char *ey = json_string_value(json_object_get(y, "epoch"));
	int c = strcmp(ex ? ex : "", ey ? ey : "");
	json_int_t sx = json_integer_value(json_object_get(x, "seq"));
	json_int_t sy = json_integer_value(json_object_get(y, "seq"));

	return c ? c : (sx > sy) - (sx < sy);
}

/* One seq signed twice with different words is an alarm, a gap a note. */
static int check_receipt_order(json_t *rows, struct err *e)
{
	size_t n = json_array_size(rows);
	auto_free json_t **sorted = calloc(n + 1, sizeof(*sorted));

	if (!sorted)
		return err_oom(e, "verify receipts");
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(rows, i);
	qsort(sorted, n, sizeof(*sorted), compare_receipt_seq);
	if (n > 0 && json_get_integer(sorted[0], "seq") > 1)
		fprintf(stderr,
			"note: receipts 1 to %lld are not among these\n",
			(long long)json_get_integer(sorted[0], "seq") - 1);
	for (size_t i = 1; i < n; i++) {
		const json_t *x = sorted[i - 1], *y = sorted[i];
		json_int_t sx = json_integer_value(json_object_get(x, "seq"));
		json_int_t sy = json_integer_value(json_object_get(y, "seq"));

		if (sx == 0 || !json_equal(json_object_get(x, "epoch"),
					   json_object_get(y, "epoch")))
			continue;
		if (sx == sy && !json_equal(json_object_get(x, "receipt"),
					    json_object_get(y, "receipt")))
			return err_reason(e, REASON_EQUIVOCATION,
					  "two receipts with seq %lld say "
					  "different things",
					  (long long)sx);
		if (sy > sx + 1)
			fprintf(stderr,
				"note: receipts %lld to %lld are not "
				"among these\n",
				(long long)sx + 1, (long long)sy - 1);
	}
	return 0;
}

static int verb_receipt_verify(void *context, const void *opts, char **argv,
			       struct err *e)
{
	struct adm *a = context;
	const struct receipt_opts *o = opts;
	auto_json json_t *rows = json_array();
	bool bad = false;
	int r;

	for (; *argv; argv++)
		json_array_append_new(rows,
				      verify_receipt_file(a, o, *argv, &bad));
	for (size_t i = 0; !a->json && i < json_array_size(rows); i++)
		print_receipt_row(json_array_get(rows, i));
	r = a->json ? adm_print_rows(a, NULL, rows, e) : 0;
	if (r >= 0)
		r = check_receipt_order(rows, e);
	return r < 0 ? r : bad;
}

/* ---- from the server, each verified */
static int save_receipt_file(const char *folder, const json_t *item,
			     struct err *e)
{
	const json_t *envelope = json_object_get(item, "envelope");
	auto_free char *path = NULL, *text = NULL;
	const char *epoch = json_string_value(json_object_get(item, "epoch"));

	text = json_is_object(envelope) ? json_text(envelope) : NULL;
	if (!text || !epoch || !encoding_is_valid_id(epoch))
		return err_set(e, EBADMSG,
			       "a receipt of the server's list has "
			       "no envelope");
	if (asprintf(&path, "%s/receipt-%.8s-%06lld.json", folder, epoch,
		     (long long)json_integer_value(
			     json_object_get(item, "seq"))) < 0)
		return err_oom(e, folder);
	return io_replace_file(path, text, strlen(text), 0644, e);
}

/* What the server says beside the verified bytes counts for nothing. */
static void set_verified_members(json_t *item, json_t *payload)
{
	json_object_set(item, "receipt", payload);
	json_object_update(item, payload);
}

static int verify_list_item(struct adm *a, const struct receipt_opts *o,
			    json_t *item, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(receipt_fini) struct receipt receipt = { 0 };
	AUTO(device_key_fini) struct device_key key = { 0 };
	int r = envelope_from_json(json_object_get(item, "envelope"), &env, e);

	if (r >= 0)
		r = verify_receipt_envelope(a, o, env, &receipt, &key, e);
	json_object_set_new(
		item, "key",
		json_string(r < 0 ? "WRONG" : device_key_trust_name(&key)));
	if (r < 0)
		json_object_set_new(item, "text", json_string(e->text));
	else
		set_verified_members(item, receipt.json);
	return r;
}

/* ---- what is missing between them */
static bool is_verified_item(const json_t *item)
{
	return strcmp(json_get_string(item, "key"), "WRONG") != 0;
}

/* The number of the verified statement that covers from..to; 0: none. */
static int64_t find_gap_receipt(const json_t *items, const char *epoch,
				int64_t from, int64_t to)
{
	const json_t *item;
	size_t i;

	json_array_foreach (items, i, item) {
		const json_t *gap = json_object_get(item, "details");

		if (is_verified_item(item) &&
		    strcmp(json_get_string(item, "type"), "gap") == 0 &&
		    strcmp(json_get_string(item, "epoch"), epoch) == 0 &&
		    strcmp(json_get_string(gap, "stream"), "receipts") == 0 &&
		    json_get_integer(gap, "from") <= from &&
		    json_get_integer(gap, "to") >= to)
			return json_get_integer(item, "seq");
	}
	return 0;
}

static json_t *build_missing_row(const json_t *items, const char *epoch,
				 int64_t from, int64_t to, bool *bad)
{
	int64_t by = find_gap_receipt(items, epoch, from, to);
	char text[96];

	*bad |= by == 0;
	if (by)
		snprintf(text, sizeof(text), "%lld to %lld, bridged by %lld",
			 (long long)from, (long long)to, (long long)by);
	else
		snprintf(text, sizeof(text), "%lld to %lld, NOT bridged",
			 (long long)from, (long long)to);
	return json_pack("{ss ss sI sI sb ss}", "type", "missing", "epoch",
			 epoch, "seq", (json_int_t)from, "to", (json_int_t)to,
			 "bridged", by != 0, "reason", text);
}

/* The list with a row for each part that is not there. `whole`: each epoch
 * begins with its first. */
static int insert_missing_rows(json_t *items, bool whole, json_t **ret,
			       bool *bad, struct err *e)
{
	auto_json json_t *rows = json_array();
	const char *epoch = "";
	int64_t last = 0;
	json_t *item;
	size_t i;

	json_array_foreach (items, i, item) {
		int64_t seq = json_get_integer(item, "seq");
		int broken = 0;

		if (is_verified_item(item)) {
			if (strcmp(epoch, json_get_string(item, "epoch")) !=
			    0) {
				last = whole || i > 0 ? 0 : seq - 1;
				epoch = json_get_string(item, "epoch");
			}
			if (seq <= last)
				return err_reason(e, REASON_EQUIVOCATION,
						  "receipt %lld comes after "
						  "%lld in the server's list",
						  (long long)seq,
						  (long long)last);
			if (seq > last + 1)
				broken = json_array_append_new(
					rows, build_missing_row(items, epoch,
								last + 1,
								seq - 1, bad));
			last = seq;
		}
		if (broken || json_array_append(rows, item) < 0)
			return err_oom(e, "list receipts");
	}
	*ret = steal(rows);
	return 0;
}

/* The newest `limit` of them, oldest first. */
static int fetch_newest_receipts(struct adm *a, const struct receipt_opts *o,
				 const char *device, json_t **ret,
				 struct err *e)
{
	return remote_list_newest(a,
				  REMOTE_PATH("devices", device, "receipts",
					      "?", "filter", o->filter, "order",
					      REMOTE_ORDER(o->limit)),
				  (unsigned int)o->limit, ret, e);
}

static int verb_receipt_list(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	static const struct table_column columns[] = {
		{ "SEQ", "seq" },
		{ "TYPE", "type" },
		{ "TIME", "time" },
		{ "VP", "vp" },
		{ "REASON", "reason" },
		{ "DOCUMENT", "receipt.document.id" },
		{ "VERSION", "receipt.document.version" },
		{ "KEY", "key" },
		{ NULL }
	};
	const struct receipt_opts *o = opts;
	auto_json json_t *items = NULL, *rows = NULL;
	json_t *item;
	bool bad = false;
	size_t i;
	int r = fetch_newest_receipts(a, o, argv[0], &items, e);

	if (r >= 0 && o->out)
		r = io_mkdirs(o->out, 0755, e);
	if (r < 0)
		return r;
	json_array_foreach (items, i, item) {
		struct err why;

		if (verify_list_item(a, o, item, &why) < 0)
			bad = true;
		else if (strcmp(json_get_string(item, "device"), argv[0]) != 0)
			return err_reason(
				e, REASON_SIGNATURE,
				"receipt %lld in the list of %s is of "
				"%.64s",
				(long long)json_get_integer(item, "seq"),
				argv[0], json_get_string(item, "device"));
		r = o->out ? save_receipt_file(o->out, item, e) : 0;
		if (r < 0)
			return r;
	}
	/* A filter leaves out on purpose. */
	r = o->filter ? 0
		      : insert_missing_rows(items, !o->limit, &rows, &bad, e);
	if (r >= 0)
		r = adm_print_rows(a, columns, rows ? rows : items, e);
	return r < 0 ? r : bad;
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct receipt_opts, member, name, letter, kind, arg, help)

static const struct opt verify_opts[] = {
	OPT(key, "key", 'k', OPT_STRING, "FILE",
	    "the device's receipt key (PEM), trusted as given"),
	OPT(keys, "keys", 0, OPT_STRING, "FILE",
	    "what devices/DEVICE/keys answered (JSON)"),
	OPT(bind, "bind", 0, OPT_STRING, "TOKEN",
	    "with --keys: the enrollment's token or URI"),
	{ NULL },
};
static const struct opt list_opts[] = {
	OPT(filter, "filter", 0, OPT_STRING, "FILTER",
	    "such as \"type eq revoked and vp eq work\""),
	OPT(limit, "limit", 0, OPT_NUMBER, "N", "only the newest so many; all"),
	OPT(out, "out", 'o', OPT_STRING, "DIR", "keep each envelope there"),
	{ NULL },
};

const struct verb verb_receipt_table[] = {
	{ "list", "DEVICE", 1, 1, "receipts of a device, each verified here",
	  VERB_SERVER | VERB_ROOT | VERB_FORMAT, list_opts,
	  sizeof(struct receipt_opts), verb_receipt_list },
	{ "verify", "FILE...", 1, 100000, "verify receipts, offline",
	  VERB_SERVER | VERB_ROOT | VERB_FORMAT, verify_opts,
	  sizeof(struct receipt_opts), verb_receipt_verify },
	{ NULL },
};

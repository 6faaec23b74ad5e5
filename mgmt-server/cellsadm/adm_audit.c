/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/audit.h"
#include "lib/auto.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/merkle.h"
#include "lib/text.h"
#include "mgmt-server/cellsadm/adm.h"
#include "mgmt-server/cellsadm/boundkey.h"
#include "mgmt-server/cellsadm/columns.h"
#include "mgmt-server/cellsadm/pin.h"
#include "mgmt-server/cellsadm/remote.h"
#include "mgmt-server/cellsadm/treehead.h"
#include "mgmt-server/cellsadm/verb.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define EXPORT_MAX (1024UL * 1024 * 1024)
#define FOLLOW_SECONDS 1

struct audit_opts {
	const char *filter, *device, *as, *out, *head, *file, *since;
	uint64_t limit, from, to, index;
	bool follow;
};

/* ---- query */
static const struct column entry_columns[] = { { "INDEX", "index" },
					       { "TIME", "entry.time" },
					       { "WHO", "entry.who" },
					       { "FROM", "entry.from" },
					       { "ACTION", "entry.action" },
					       { "OBJECT", "entry.object" },
					       { "DEVICE", "entry.device" },
					       { "OUTCOME", "entry.outcome" },
					       { NULL } };
static const struct column record_columns[] = {
	{ "SEQ", "seq" },
	{ "TIME", "time" },
	{ "EVENT", "event" },
	{ "VP", "vp" },
	{ "CLASS", "class" },
	{ "DETAIL", "detail", COLUMN_PAIRS },
	{ NULL }
};

/* Only the last `limit` of them, oldest first. */
static void keep_last(json_t *items, uint64_t limit)
{
	while (limit && json_array_size(items) > limit)
		json_array_remove(items, 0);
}

/* The newest first as the server gives them, turned round. */
static int last_entries(struct adm *a, const struct audit_opts *o, json_t **ret,
			struct err *e)
{
	auto_json json_t *items = NULL, *turned = json_array();
	int r = remote_list(a,
			    REMOTE_PATH("audit", "?", "filter", o->filter,
					"order", o->limit ? "desc" : NULL),
			    (unsigned int)o->limit, &items, e);

	if (r < 0)
		return r;
	if (!o->limit) {
		*ret = steal(items);
		return 0;
	}
	for (size_t i = json_array_size(items); i-- > 0;)
		json_array_append(turned, json_array_get(items, i));
	*ret = steal(turned);
	return 0;
}

static int run_query(struct adm *a, const void *opts, char **argv,
		     struct err *e)
{
	const struct audit_opts *o = opts;
	auto_json json_t *items = NULL;
	int r;

	if (o->device)
		r = remote_list(a,
				REMOTE_PATH("devices", o->device, "audit", "?",
					    "filter", o->filter),
				0, &items, e);
	else
		r = last_entries(a, o, &items, e);
	if (r < 0)
		return r;
	keep_last(items, o->limit);
	return columns_print(a, o->device ? record_columns : entry_columns,
			     items, e);
}

/* ---- verify: the tree */
static int mismatch(const struct treehead *h, uint64_t have, struct err *e)
{
	return err_reason(e, REASON_SIGNATURE,
			  "%llu entries do not give the signed root of %llu",
			  (unsigned long long)have,
			  (unsigned long long)h->size);
}

/* All entries, hashed again, must give the root that the director signed. */
static int check_entries(const struct treehead *h, const json_t *items,
			 struct err *e)
{
	struct merkle m = { 0 };
	uint8_t leaf[HASH_SIZE], root[HASH_SIZE];
	const json_t *item;
	size_t i;

	json_array_foreach (items, i, item) {
		const char *text =
			json_string_value(json_object_get(item, "text"));
		json_int_t index =
			json_integer_value(json_object_get(item, "index"));

		if (i == h->size)
			break;
		if (!text || index != (json_int_t)i)
			return err_set(e, EBADMSG, "entry %zu is missing", i);
		merkle_leaf(text, strlen(text), leaf);
		merkle_add(&m, leaf);
	}
	merkle_root(&m, root);
	if (m.size != h->size || memcmp(root, h->root, HASH_SIZE) != 0)
		return mismatch(h, m.size, e);
	return 0;
}

static int check_one(struct adm *a, const struct treehead *h, uint64_t index,
		     struct err *e)
{
	uint8_t path[MERKLE_PATH_MAX][HASH_SIZE], leaf[HASH_SIZE];
	char at[24], size[24];
	auto_json json_t *j = NULL;
	const char *text;
	unsigned int n;
	int r;

	snprintf(at, sizeof(at), "%llu", (unsigned long long)index);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)h->size);
	r = remote_get(a,
		       REMOTE_PATH("audit", "inclusion", "?", "index", at,
				   "size", size),
		       &j, e);
	if (r >= 0)
		r = treehead_path(json_object_get(j, "path"), path, &n, e);
	if (r < 0)
		return r;
	text = json_string_value(json_object_get(j, "text"));
	if (!text)
		return err_set(e, EBADMSG, "the proof holds no entry");
	merkle_leaf(text, strlen(text), leaf);
	if (!merkle_check_inclusion(leaf, index, h->size,
				    (const uint8_t(*)[HASH_SIZE])path, n,
				    h->root))
		return err_reason(e, REASON_SIGNATURE,
				  "entry %s is not in the signed tree", at);
	puts(text);
	return 0;
}

static int say(const struct adm *a, const struct treehead *h,
	       const struct treehead *before, const char *what, struct err *e)
{
	char digest[TEXT_DIGEST_SIZE], time[TEXT_TIME_SIZE];
	auto_json json_t *j = NULL;

	text_digest(h->root, digest);
	text_time(h->time, time);
	j = json_pack("{sb ss sI ss ss sI}", "valid", 1, "what", what, "size",
		      (json_int_t)h->size, "root", digest, "time", time,
		      "consistent_with", (json_int_t)before->size);
	if (!j)
		return err_oom(e, "verify");
	if (a->json) {
		adm_print_json(j);
		return 0;
	}
	printf("verified: %s, %llu entries, %s, signed %s\n", what,
	       (unsigned long long)h->size, digest, time);
	if (before->size)
		printf("consistent with the %llu entries seen before\n",
		       (unsigned long long)before->size);
	return 0;
}

static int verify_tree(struct adm *a, const struct audit_opts *o,
		       bool has_index, struct err *e)
{
	struct treehead h, before;
	auto_json json_t *items = NULL;
	int r = treehead_advance(a, &h, &before, e);

	if (r >= 0 && has_index)
		r = check_one(a, &h, o->index - 1, e);
	if (r >= 0 && !has_index)
		r = remote_list(a, REMOTE_PATH("audit"), (unsigned int)h.size,
				&items, e);
	if (r >= 0 && !has_index)
		r = check_entries(&h, items, e);
	if (r < 0)
		return r;
	return say(a, &h, &before, has_index ? "inclusion" : "every entry", e);
}

/* The first `size` lines as leaves of a tree. */
static int hash_lines(const char *path, uint64_t size, struct merkle *m,
		      struct err *e)
{
	auto_free char *lines = NULL;
	uint8_t leaf[HASH_SIZE];
	size_t len;
	int r = io_read_file(path, EXPORT_MAX, &lines, &len, e);

	if (r < 0)
		return r;
	for (char *p = lines; *p && m->size < size;) {
		size_t n = strcspn(p, "\n");

		merkle_leaf(p, n, leaf);
		merkle_add(m, leaf);
		p += n + (p[n] == '\n');
	}
	return 0;
}

static int read_head(const char *path, const struct doc_root *root,
		     struct treehead *ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *text = NULL;
	size_t len;
	int r = io_read_file(path, ENVELOPE_MAX, &text, &len, e);

	if (r >= 0)
		r = envelope_parse(text, len, &env, e);
	return r < 0 ? r : treehead_open(root, env, ret, e);
}

/* An export of JSON lines from the first entry on, and a head: offline. */
static int verify_file(struct adm *a, const struct audit_opts *o, struct err *e)
{
	const struct doc_root *root;
	const struct treehead none = { 0 };
	struct merkle m = { 0 };
	struct treehead h;
	uint8_t got[HASH_SIZE];
	int r = pin_root(a, false, &root, e);

	if (r >= 0 && !o->head)
		return err_set(e, EINVAL,
			       "audit verify --file: --head FILE is missing");
	if (r >= 0)
		r = read_head(o->head, root, &h, e);
	if (r >= 0)
		r = hash_lines(o->file, h.size, &m, e);
	if (r < 0)
		return r;
	merkle_root(&m, got);
	if (m.size != h.size || memcmp(got, h.root, HASH_SIZE) != 0)
		return mismatch(&h, m.size, e);
	return say(a, &h, &none, o->file, e);
}

/* ---- verify: a device's chain */
static int check_head(const json_t *batch, const struct boundkey *key,
		      const struct audit_chain *c, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_json json_t *j = NULL;
	const char *device, *head;
	char want[TEXT_DIGEST_SIZE];
	int64_t seq = 0;
	const struct json_member members[] = {
		{ "device", JSON_STRING, false, &device },
		{ "head", JSON_STRING, false, &head },
		{ "seq", JSON_INTEGER, false, &seq },
		{ NULL },
	};
	int r = pin_envelope(json_object_get(batch, "head"), &env, e);

	if (r < 0)
		return r;
	if (env->n_signatures < 1 || strcmp(env->type, AUDIT_HEAD_TYPE) != 0 ||
	    key_verify(key->key, env->pae_digest, env->signature[0].sig,
		       env->signature[0].sig_len) < 0)
		return err_reason(e, REASON_SIGNATURE,
				  "an audit head of %s is not signed by its "
				  "receipt key",
				  key->device);
	r = json_parse(env->payload, env->payload_len, "audit head", &j, e);
	if (r >= 0)
		r = json_take(j, members, false, "audit head", e);
	if (r < 0)
		return r;
	text_digest(c->head, want);
	if (strcmp(device, key->device) != 0 || seq != (int64_t)c->seq ||
	    strcmp(head, want) != 0)
		return err_reason(
			e, REASON_SIGNATURE,
			"record %llu of %s is not what its head signs",
			(unsigned long long)c->seq, key->device);
	return 0;
}

/* Each record continues the one before; each batch's head is the device's. */
static int check_chain(const json_t *records, const json_t *batches,
		       const struct boundkey *key, struct audit_chain *c,
		       unsigned int *ret_heads, struct err *e)
{
	size_t i, b = 0, n = json_array_size(batches);
	const json_t *record;

	json_array_foreach (records, i, record) {
		const char *text =
			json_string_value(json_object_get(record, "text"));
		const char *epoch =
			json_string_value(json_object_get(record, "epoch"));
		const json_t *batch = json_array_get(batches, b);
		int r;

		if (!text || !epoch || strcmp(epoch, key->epoch) != 0)
			continue;
		r = audit_follow(c, text, strlen(text), e);
		if (r < 0)
			return r;
		if (b == n || json_integer_value(json_object_get(
				      batch, "seq")) > (json_int_t)c->seq)
			continue;
		r = check_head(batch, key, c, e);
		if (r < 0)
			return r;
		b++;
	}
	*ret_heads = (unsigned int)b;
	return 0;
}

static json_t *of_epoch(const json_t *list, const char *epoch)
{
	json_t *own = json_array(), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *s =
			json_string_value(json_object_get(item, "epoch"));

		if (s && strcmp(s, epoch) == 0)
			json_array_append(own, item);
	}
	return own;
}

static int verify_device(struct adm *a, const char *device, struct err *e)
{
	AUTO(boundkey_fini) struct boundkey key = { 0 };
	auto_json json_t *records = NULL, *all = NULL, *batches = NULL;
	auto_json json_t *j = NULL;
	struct audit_chain c = { 0 };
	unsigned int heads = 0;
	int r = boundkey_of(a, device, NULL, &key, e);

	if (r >= 0)
		r = remote_list(a, REMOTE_PATH("devices", device, "batches"), 0,
				&all, e);
	if (r >= 0)
		r = remote_list(a, REMOTE_PATH("devices", device, "audit"), 0,
				&records, e);
	if (r < 0)
		return r;
	batches = of_epoch(all, key.epoch);
	r = check_chain(records, batches, &key, &c, &heads, e);
	if (r < 0)
		return r;
	j = json_pack("{sb ss ss sI si ss}", "valid", 1, "device", device,
		      "epoch", key.epoch, "records", (json_int_t)c.seq, "heads",
		      (int)heads, "key", boundkey_word(&key));
	if (!j)
		return err_oom(e, device);
	if (a->json)
		adm_print_json(j);
	else
		printf("verified: %llu records of %s in one chain, %u signed "
		       "heads, key: %s\n",
		       (unsigned long long)c.seq, device, heads,
		       boundkey_word(&key));
	return 0;
}

static int run_verify(struct adm *a, const void *opts, char **argv,
		      struct err *e)
{
	const struct audit_opts *o = opts;

	if (o->file)
		return verify_file(a, o, e);
	if (o->device)
		return verify_device(a, o->device, e);
	return verify_tree(a, o, o->index > 0, e);
}

/* ---- export */
static int write_head(struct adm *a, const char *path, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = remote_get_text(a, REMOTE_PATH("audit", "head"), &text, &len,
				e);

	return r < 0 ? r : io_replace_file(path, text, len, 0644, e);
}

static int run_export(struct adm *a, const void *opts, char **argv,
		      struct err *e)
{
	const struct audit_opts *o = opts;
	char from[24], to[24];
	auto_free char *text = NULL;
	size_t len;
	int r = 0;

	snprintf(from, sizeof(from), "%llu", (unsigned long long)o->from);
	snprintf(to, sizeof(to), "%llu", (unsigned long long)o->to);
	/* The head first: the export then covers it. */
	if (o->head)
		r = write_head(a, o->head, e);
	if (r >= 0)
		r = remote_get_text(a,
				    REMOTE_PATH("audit", "export", "?",
						"format",
						o->as ? o->as : "jsonl", "from",
						o->from ? from : NULL, "to",
						o->to ? to : NULL),
				    &text, &len, e);
	return r < 0 ? r : adm_output(o->out, text, e);
}

/* ---- events */
static void print_events(const struct adm *a, const json_t *items)
{
	const json_t *item;
	size_t i;

	json_array_foreach (items, i, item) {
		const json_t *entry = json_object_get(item, "entry");
		auto_free char *json = a->json ? json_text(item) : NULL;

		if (a->json) {
			puts(json ? json : "{}");
			continue;
		}
		for (const struct column *c = &entry_columns[1]; c->title;
		     c++) {
			const char *s = json_string_value(json_object_get(
				entry, strchr(c->member, '.') + 1));
			auto_free char *safe = s ? columns_safe(s) : NULL;

			if (safe)
				printf("%s%s",
				       c == &entry_columns[1] ? "" : "  ",
				       safe);
		}
		putchar('\n');
	}
	fflush(stdout);
}

static int run_events(struct adm *a, const void *opts, char **argv,
		      struct err *e)
{
	const struct audit_opts *o = opts;
	json_int_t next = 0;
	char filter[96];
	int64_t since;
	char time[TEXT_TIME_SIZE];
	int r = adm_moment(o->since ? o->since : "-1h", &since, e);

	if (r < 0)
		return r;
	text_time(since, time);
	snprintf(filter, sizeof(filter), "time ge \"%s\"", time);
	for (;;) {
		auto_json json_t *items = NULL;
		const json_t *last;

		r = remote_list(a, REMOTE_PATH("audit", "?", "filter", filter),
				0, &items, e);
		if (r < 0)
			return r;
		print_events(a, items);
		last = json_array_get(items, json_array_size(items) - 1);
		if (last)
			next = 1 + json_integer_value(
					   json_object_get(last, "index"));
		if (!o->follow || ferror(stdout))
			return 0;
		if (next)
			snprintf(filter, sizeof(filter), "index ge %lld",
				 (long long)next);
		sleep(FOLLOW_SECONDS);
	}
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct audit_opts, member, name, letter, kind, arg, help)

static const struct opt query_opts[] = {
	OPT(filter, "filter", 0, OPT_STRING, "FILTER",
	    "such as \"action eq login and outcome ne ok\""),
	OPT(device, "device", 0, OPT_STRING, "DEVICE",
	    "that device's own records instead"),
	OPT(limit, "limit", 0, OPT_NUMBER, "N", "only the last so many; all"),
	{ NULL },
};
static const struct opt verify_opts[] = {
	OPT(device, "device", 0, OPT_STRING, "DEVICE",
	    "that device's chain instead of the tree"),
	OPT(index, "entry", 0, OPT_NUMBER, "N",
	    "only the N-th entry (from 1), by a proof of inclusion"),
	OPT(file, "file", 0, OPT_STRING, "FILE",
	    "offline: JSON lines of audit export"),
	OPT(head, "head", 0, OPT_STRING, "FILE",
	    "with --file: the signed head"),
	{ NULL },
};
static const struct opt export_opts[] = {
	OPT(as, "as", 0, OPT_STRING, "FORM", "jsonl, cef or syslog; jsonl"),
	OPT(from, "from", 0, OPT_NUMBER, "N", "from that index on; 0"),
	OPT(to, "to", 0, OPT_NUMBER, "N", "up to that one; the end"),
	OPT(out, "out", 'o', OPT_STRING, "FILE", "instead of the terminal"),
	OPT(head, "head", 0, OPT_STRING, "FILE",
	    "write the signed head there, for audit verify --file"),
	{ NULL },
};
static const struct opt events_opts[] = {
	OPT(follow, "follow", 'F', OPT_FLAG, NULL, "go on with new ones"),
	OPT(since, "since", 0, OPT_STRING, "TIME",
	    "2026-11-20T08:00:00Z, now, -2h; -1h"),
	{ NULL },
};

const struct verb adm_audit_verbs[] = {
	{ "audit", "query", "", 0, 0, "entries of the audit",
	  VERB_SERVER | VERB_FORMAT, query_opts, sizeof(struct audit_opts),
	  run_query },
	{ "audit", "verify", "", 0, 0,
	  "entries against the signed head, and it against the last seen",
	  VERB_SERVER | VERB_ROOT | VERB_FORMAT, verify_opts,
	  sizeof(struct audit_opts), run_verify },
	{ "audit", "export", "", 0, 0, "entries for other programs",
	  VERB_SERVER, export_opts, sizeof(struct audit_opts), run_export },
	{ NULL },
};

const struct verb adm_events_verbs[] = {
	{ "events", "", "", 0, 0, "what happens at the server",
	  VERB_SERVER | VERB_FORMAT, events_opts, sizeof(struct audit_opts),
	  run_events },
	{ NULL },
};

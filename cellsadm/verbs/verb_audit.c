/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/audit_chain.h"
#include "cellsadm/trust/tree_head.h"
#include "cellsadm/trust/trust_root.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/crypto/merkle.h"
#include "lib/display.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define EXPORT_MAX (1024UL * 1024 * 1024)
#define FOLLOW_SECONDS 1

struct audit_opts {
	const char *filter, *device, *as, *out, *head, *file, *since, *reason;
	uint64_t limit, from, to, index;
	bool follow;
};

/* ---- query */
static const struct table_column entry_columns[] = {
	{ "INDEX", "index" },
	{ "TIME", "entry.time" },
	{ "WHO", "entry.who" },
	{ "FROM", "entry.from" },
	{ "ACTION", "entry.action" },
	{ "OBJECT", "entry.object" },
	{ "DEVICE", "entry.device" },
	{ "OUTCOME", "entry.outcome" },
	{ NULL }
};
static const struct table_column record_columns[] = {
	{ "SEQ", "seq" },
	{ "TIME", "time" },
	{ "EVENT", "event" },
	{ "VP", "vp" },
	{ "CLASS", "class" },
	{ "DETAIL", "detail", TABLE_PAIRS },
	{ NULL }
};

/* Only the last `limit` of them, oldest first. */
static void remove_oldest_entries(json_t *items, uint64_t limit)
{
	while (limit && json_array_size(items) > limit)
		json_array_remove(items, 0);
}

/* The newest `limit` of them, oldest first. */
static int fetch_newest_entries(struct adm *a, const struct audit_opts *o,
				json_t **ret, struct err *e)
{
	return remote_list_newest(a,
				  REMOTE_PATH("audit", "?", "filter", o->filter,
					      "order", REMOTE_ORDER(o->limit)),
				  (unsigned int)o->limit, ret, e);
}

static int verb_audit_query(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	const struct audit_opts *o = opts;
	auto_json json_t *items = NULL;
	int r;

	if (o->device)
		r = remote_list(a,
				REMOTE_PATH("devices", o->device, "audit", "?",
					    "filter", o->filter),
				0, &items, e);
	else
		r = fetch_newest_entries(a, o, &items, e);
	if (r < 0)
		return r;
	remove_oldest_entries(items, o->limit);
	return adm_print_rows(a, o->device ? record_columns : entry_columns,
			      items, e);
}

/* ---- verify: the tree */
static int report_root_mismatch(const struct tree_head *h, uint64_t have,
				struct err *e)
{
	return err_reason(e, REASON_SIGNATURE,
			  "%llu entries do not give the signed root of %llu",
			  (unsigned long long)have,
			  (unsigned long long)h->size);
}

/* All entries, hashed again, must give the root that the director signed. */
static int verify_all_entries(const struct tree_head *h, const json_t *items,
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
		return report_root_mismatch(h, m.size, e);
	return 0;
}

static int verify_entry_inclusion(struct adm *a, const struct tree_head *h,
				  uint64_t index, struct err *e)
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
		r = tree_head_parse_path(json_object_get(j, "path"), path, &n,
					 e);
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

static int print_tree_result(const struct adm *a, const struct tree_head *h,
			     const struct tree_head *before, const char *what,
			     struct err *e)
{
	char digest[ENCODING_DIGEST_SIZE], time[ENCODING_TIME_SIZE];
	auto_json json_t *j = NULL;

	encoding_format_digest(h->root, digest);
	encoding_format_time(h->time, time);
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

static int verify_audit_tree(struct adm *a, const struct audit_opts *o,
			     bool has_index, struct err *e)
{
	struct tree_head h, before;
	auto_json json_t *items = NULL;
	int r = tree_head_advance(a, &h, &before, e);

	if (r >= 0 && has_index)
		r = verify_entry_inclusion(a, &h, o->index - 1, e);
	if (r >= 0 && !has_index)
		r = remote_list(a, REMOTE_PATH("audit"), (unsigned int)h.size,
				&items, e);
	if (r >= 0 && !has_index)
		r = verify_all_entries(&h, items, e);
	if (r < 0)
		return r;
	return print_tree_result(a, &h, &before,
				 has_index ? "inclusion" : "every entry", e);
}

/* An export while it is hashed: its root, and that of a part in front. */
struct export_hash {
	struct merkle tree;
	uint64_t part; /* so many lines */
	uint8_t part_root[HASH_SIZE];
};

/* Each line is a leaf; what is behind the signed size is nobody's word. */
static int hash_export_lines(const char *path, const struct tree_head *h,
			     struct export_hash *l, struct err *e)
{
	auto_free char *text = NULL;
	uint8_t leaf[HASH_SIZE];
	size_t len;
	int r = io_read_file(path, EXPORT_MAX, &text, &len, e);

	if (r < 0)
		return r;
	for (const char *p = text, *end = text + len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);

		if (l->tree.size == h->size)
			return err_reason(e, REASON_SIGNATURE,
					  "%s: line %llu is behind the %llu "
					  "that the head signs",
					  path, (unsigned long long)h->size + 1,
					  (unsigned long long)h->size);
		merkle_leaf(p, n, leaf);
		merkle_add(&l->tree, leaf);
		if (l->tree.size == l->part)
			merkle_root(&l->tree, l->part_root);
		p += n + (nl != NULL);
	}
	return 0;
}

static int read_head_file(const char *path, const struct doc_root *root,
			  struct tree_head *ret, json_t **ret_envelope,
			  struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *text = NULL;
	size_t len;
	int r = io_read_file(path, ENVELOPE_MAX, &text, &len, e);

	if (r >= 0)
		r = envelope_parse(text, len, &env, e);
	if (r >= 0)
		r = json_parse(text, len, path, ret_envelope, e);
	return r < 0 ? r : tree_head_open(root, env, ret, e);
}

/* The export against what was seen here before. */
static int check_export_history(const struct tree_head *kept,
				const struct tree_head *h,
				const struct export_hash *l, struct err *e)
{
	if (h->size < kept->size)
		return tree_head_report_shrunk(e, kept, h);
	if (kept->size > 0 && memcmp(l->part_root, kept->root, HASH_SIZE) != 0)
		return tree_head_report_forked(e, kept);
	return 0;
}

/* An export of JSON lines from the first entry on, and a head: offline. */
static int verify_export_file(struct adm *a, const struct audit_opts *o,
			      struct err *e)
{
	bool has_server = adm_get_server_or_null(a) != NULL;
	auto_json json_t *envelope = NULL;
	const struct doc_root *root;
	struct tree_head h, kept = { 0 };
	struct export_hash l = { 0 };
	uint8_t got[HASH_SIZE];
	int r = trust_root_get(a, false, &root, e);

	if (r >= 0 && !o->head)
		return err_usage(e,
				 "audit verify --file: --head FILE is missing");
	if (r >= 0)
		r = read_head_file(o->head, root, &h, &envelope, e);
	if (r >= 0 && has_server)
		r = tree_head_load(a, &kept, e);
	l.part = kept.size;
	if (r >= 0)
		r = hash_export_lines(o->file, &h, &l, e);
	if (r < 0)
		return r;
	merkle_root(&l.tree, got);
	if (l.tree.size != h.size || memcmp(got, h.root, HASH_SIZE) != 0)
		return report_root_mismatch(&h, l.tree.size, e);
	r = check_export_history(&kept, &h, &l, e);
	if (r == 0 && has_server)
		r = tree_head_save(a, &h, envelope, e);
	return r < 0 ? r : print_tree_result(a, &h, &kept, o->file, e);
}

/* ---- verify: a device's chain */
static void print_device_chain(const char *device, const json_t *c)
{
	json_int_t behind = json_integer_value(json_object_get(c, "unsigned"));
	json_int_t gone = json_integer_value(json_object_get(c, "bridged"));

	printf("verified: %lld records of %s in one chain, %lld signed heads, "
	       "key: %s, epoch %s\n",
	       (long long)json_integer_value(json_object_get(c, "records")),
	       device,
	       (long long)json_integer_value(json_object_get(c, "heads")),
	       json_string_value(json_object_get(c, "key")),
	       json_string_value(json_object_get(c, "epoch")));
	if (gone > 0)
		printf("gone: %lld records, by the device's signed statement\n",
		       (long long)gone);
	if (behind > 0)
		printf("unsigned yet: %lld, which prove nothing\n",
		       (long long)behind);
}

static int verify_device_chains(struct adm *a, const char *device,
				struct err *e)
{
	auto_json json_t *j = NULL;
	const json_t *c;
	size_t i;
	int r = audit_chain_verify(a, device, &j, e);

	if (r < 0)
		return r;
	if (a->json)
		adm_print_json(j);
	else
		json_array_foreach (json_object_get(j, "chains"), i, c)
			print_device_chain(device, c);
	return 0;
}

static int verb_audit_verify(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	const struct audit_opts *o = opts;

	if (o->file)
		return verify_export_file(a, o, e);
	if (o->device)
		return verify_device_chains(a, o->device, e);
	return verify_audit_tree(a, o, o->index > 0, e);
}

/* ---- a restored server */
static int verb_audit_accept_restore(void *context, const void *opts,
				     char **argv, struct err *e)
{
	struct adm *a = context;
	const struct audit_opts *o = opts;
	int r;

	if (!o->reason || !*o->reason)
		return err_set(
			e, EINVAL,
			"audit accept-restore: --reason TEXT is missing: "
			"it is written into the audit");
	r = o->device ? audit_chain_accept(a, o->device, o->reason, e)
		      : tree_head_accept(a, o->reason, e);
	if (r == 0)
		puts("accepted, and written into the audit");
	return r;
}

/* ---- export */
/* *ret_size: what it signs; nobody believes it yet. */
static int save_server_head(struct adm *a, const char *path, uint64_t *ret_size,
			    struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;
	size_t len;
	int r = remote_get_text(a, REMOTE_PATH("audit", "head"), &text, &len,
				e);

	if (r >= 0)
		r = envelope_parse(text, len, &env, e);
	if (r >= 0)
		r = json_parse(env->payload, env->payload_len, "tree head", &j,
			       e);
	if (r < 0)
		return r;
	*ret_size = (uint64_t)json_integer_value(json_object_get(j, "size"));
	return io_replace_file(path, text, len, 0644, e);
}

static int verb_audit_export(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	const struct audit_opts *o = opts;
	uint64_t end = o->to, size = 0;
	char from[24], to[24];
	auto_free char *text = NULL;
	size_t len;
	int r = 0;

	/* The head first; then exactly what it signs. */
	if (o->head)
		r = save_server_head(a, o->head, &size, e);
	if (o->head && (end == 0 || end > size))
		end = size;
	snprintf(from, sizeof(from), "%llu", (unsigned long long)o->from);
	snprintf(to, sizeof(to), "%llu", (unsigned long long)end);
	if (r >= 0)
		r = remote_get_text(a,
				    REMOTE_PATH("audit", "export", "?",
						"format",
						o->as ? o->as : "jsonl", "from",
						o->from ? from : NULL, "to",
						end ? to : NULL),
				    &text, &len, e);
	return r < 0 ? r : adm_write_output(o->out, text, e);
}

/* ---- events */
static void print_event_lines(const struct adm *a, const json_t *items)
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
		for (const struct table_column *c = &entry_columns[1]; c->title;
		     c++) {
			const char *s = json_string_value(json_object_get(
				entry, strchr(c->member, '.') + 1));
			auto_free char *safe = s ? display_escape(s) : NULL;

			if (safe)
				printf("%s%s",
				       c == &entry_columns[1] ? "" : "  ",
				       safe);
		}
		putchar('\n');
	}
	fflush(stdout);
}

static int verb_events(void *context, const void *opts, char **argv,
		       struct err *e)
{
	struct adm *a = context;
	const struct audit_opts *o = opts;
	json_int_t next = 0;
	char filter[96];
	int64_t since;
	char time[ENCODING_TIME_SIZE];
	int r = adm_parse_time(o->since ? o->since : "-1h", &since, e);

	if (r < 0)
		return r;
	encoding_format_time(since, time);
	snprintf(filter, sizeof(filter), "time ge \"%s\"", time);
	for (;;) {
		auto_json json_t *items = NULL;
		const json_t *last;

		r = remote_list(a, REMOTE_PATH("audit", "?", "filter", filter),
				0, &items, e);
		if (r < 0)
			return r;
		print_event_lines(a, items);
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
	OPT(limit, "limit", 0, OPT_NUMBER, "N", "only the newest so many; all"),
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
static const struct opt accept_opts[] = {
	OPT(reason, "reason", 0, OPT_STRING, "TEXT",
	    "why: it is written into the audit, with who did it"),
	OPT(device, "device", 0, OPT_STRING, "DEVICE",
	    "that device's chains instead of the tree"),
	{ NULL },
};
static const struct opt export_opts[] = {
	OPT(as, "as", 0, OPT_STRING, "FORM", "jsonl, cef or syslog; jsonl"),
	OPT(from, "from", 0, OPT_NUMBER, "N", "from that index on; 0"),
	OPT(to, "to", 0, OPT_NUMBER, "N", "up to that one; the end"),
	OPT(out, "out", 'o', OPT_STRING, "FILE", "instead of the terminal"),
	OPT(head, "head", 0, OPT_STRING, "FILE",
	    "write the signed head there, and export what it signs"),
	{ NULL },
};
static const struct opt events_opts[] = {
	OPT(follow, "follow", 'F', OPT_FLAG, NULL, "go on with new ones"),
	OPT(since, "since", 0, OPT_STRING, "TIME",
	    "2026-11-20T08:00:00Z, now, -2h; -1h"),
	{ NULL },
};

const struct verb verb_audit_table[] = {
	{ "query", "", 0, 0, "entries of the audit", VERB_SERVER | VERB_FORMAT,
	  query_opts, sizeof(struct audit_opts), verb_audit_query },
	{ "verify", "", 0, 0,
	  "entries against the signed head, and it against the last seen",
	  VERB_SERVER | VERB_ROOT | VERB_FORMAT, verify_opts,
	  sizeof(struct audit_opts), verb_audit_verify },
	{ "accept-restore", "", 0, 0,
	  "take a history that is not the one seen here",
	  VERB_SERVER | VERB_ROOT | VERB_YES, accept_opts,
	  sizeof(struct audit_opts), verb_audit_accept_restore },
	{ "export", "", 0, 0, "entries for other programs", VERB_SERVER,
	  export_opts, sizeof(struct audit_opts), verb_audit_export },
	{ NULL },
};

const struct verb verb_events_table[] = {
	{ "", "", 0, 0, "what happens at the server", VERB_SERVER | VERB_FORMAT,
	  events_opts, sizeof(struct audit_opts), verb_events },
	{ NULL },
};

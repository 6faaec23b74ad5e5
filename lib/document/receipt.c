/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/receipt.h"

#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <inttypes.h>
#include <string.h>

#define FORMAT 1
#define EPOCH_DIGITS 32
#define LINE_SIZE 256

const char *receipt_type_name(enum receipt_type t)
{
	static const char *const names[RECEIPT_TYPE_COUNT] = {
		[RECEIPT_APPLIED] = "applied",
		[RECEIPT_REFUSED] = "refused",
		[RECEIPT_REVOKED] = "revoked",
		[RECEIPT_SWITCHED] = "switched",
		[RECEIPT_LOCKED] = "locked",
		[RECEIPT_UNLOCKED] = "unlocked",
		[RECEIPT_WIPED] = "wiped",
		[RECEIPT_REMOVED] = "removed",
		[RECEIPT_STARTED] = "started",
		[RECEIPT_STOPPED] = "stopped",
		[RECEIPT_START_FAILED] = "start-failed",
		[RECEIPT_DAMAGED] = "damaged",
		[RECEIPT_GAP] = "gap",
	};

	return names[t];
}

static enum receipt_type find_receipt_type(const char *name)
{
	enum receipt_type t = 0;

	while (t < RECEIPT_TYPE_COUNT &&
	       strcmp(receipt_type_name(t), name) != 0)
		t++;
	return t;
}

static bool is_enforcement_level(const char *s)
{
	enum doc_level l;

	return doc_level_from_name(s, &l) == 0;
}

static bool is_valid_epoch(const char *s)
{
	uint8_t raw[EPOCH_DIGITS / 2];

	return encoding_from_hex(s, raw, sizeof(raw)) == 0;
}

static bool is_valid_digest(const char *s)
{
	uint8_t digest[HASH_SIZE];

	return encoding_parse_digest(s, digest) == 0;
}

static bool is_valid_time(const char *s)
{
	int64_t t;

	return encoding_parse_time(s, &t) == 0;
}

/* The first member that is out of form; NULL: none is. */
static const char *find_invalid_member(const struct receipt *r, int64_t format,
				       const char *type)
{
	const struct {
		const char *name;
		bool good;
	} tests[] = {
		{ "format", format == FORMAT },
		{ "type", find_receipt_type(type) != RECEIPT_TYPE_COUNT },
		{ "device", encoding_is_valid_id(r->device) },
		{ "epoch", is_valid_epoch(r->epoch) },
		{ "seq", r->seq >= 1 },
		{ "prev", !r->prev || is_valid_digest(r->prev) },
		{ "time", is_valid_time(r->time) },
		{ "reason", !r->reason || strncmp(r->reason, "err.", 4) == 0 },
		{ "vp", !r->vp || encoding_is_valid_id(r->vp) },
		{ "enforcement", is_enforcement_level(r->enforcement) },
		{ "state", is_valid_digest(r->state) },
		{ "audit",
		  r->audit_seq >= 0 && is_valid_digest(r->audit_head) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		if (!tests[i].good)
			return tests[i].name;
	return NULL;
}

static int check_receipt_document(json_t *document, struct err *e)
{
	const char *type, *id, *digest;
	int64_t version;
	const struct json_member table[] = {
		{ "type", JSON_STRING, false, &type },
		{ "id", JSON_STRING, false, &id },
		{ "version", JSON_INTEGER, false, &version },
		{ "sha256", JSON_STRING, false, &digest },
		{ NULL },
	};
	int r;

	r = json_read_object(document, table, true, "receipt's document", e);
	if (r < 0)
		return r;
	if (!encoding_is_valid_id(type) || !encoding_is_valid_id(id) ||
	    version < 0 || version > INT32_MAX || !is_valid_digest(digest))
		return err_set(e, EINVAL, "receipt: 'document' is misformed");
	return 0;
}

static int read_receipt_members(json_t *j, struct receipt *r, struct err *e)
{
	json_t *audit;
	const char *type;
	int64_t format;
	const struct json_member table[] = {
		{ "format", JSON_INTEGER, false, &format },
		{ "type", JSON_STRING, false, &type },
		{ "device", JSON_STRING, false, &r->device },
		{ "epoch", JSON_STRING, false, &r->epoch },
		{ "seq", JSON_INTEGER, false, &r->seq },
		{ "prev", JSON_STRING, true, &r->prev },
		{ "time", JSON_STRING, false, &r->time },
		{ "reason", JSON_STRING, true, &r->reason },
		{ "document", JSON_OBJECT, true, &r->document },
		{ "vp", JSON_STRING, true, &r->vp },
		{ "enforcement", JSON_STRING, false, &r->enforcement },
		{ "state", JSON_STRING, false, &r->state },
		{ "audit", JSON_OBJECT, false, &audit },
		{ "details", JSON_OBJECT, true, &r->details },
		{ NULL },
	};
	const struct json_member audit_table[] = {
		{ "seq", JSON_INTEGER, false, &r->audit_seq },
		{ "head", JSON_STRING, false, &r->audit_head },
		{ NULL },
	};
	const char *name;
	int res;

	res = json_read_object(j, table, true, "receipt", e);
	if (res < 0)
		return res;
	res = json_read_object(audit, audit_table, true, "receipt's audit", e);
	if (res < 0)
		return res;
	name = find_invalid_member(r, format, type);
	if (name)
		return err_set(e, EINVAL, "receipt: '%s' is misformed", name);
	r->type = find_receipt_type(type);
	return r->document ? check_receipt_document(r->document, e) : 0;
}

int receipt_parse(const void *payload, size_t len, struct receipt *ret,
		  struct err *e)
{
	AUTO(receipt_fini) struct receipt rc = { 0 };
	int r;

	r = json_parse(payload, len, "receipt", &rc.json, e);
	if (r < 0)
		return r;
	r = read_receipt_members(rc.json, &rc, e);
	if (r < 0)
		return r;
	if (!rc.details) {
		rc.details = json_object();
		if (json_object_set_new(rc.json, "details", rc.details) < 0)
			return err_oom(e, "receipt");
	}
	*ret = rc;
	rc.json = NULL;
	return 0;
}

void receipt_fini(struct receipt *r)
{
	json_decref(r->json);
	r->json = NULL;
}

int receipt_open(const struct envelope *env, const struct key *key,
		 struct receipt *ret, struct err *e)
{
	AUTO(receipt_fini) struct receipt rc = { 0 };
	char epoch[EPOCH_DIGITS + 1];
	int r;

	r = envelope_verify(env, RECEIPT_TYPE, key, e);
	if (r < 0)
		return r;
	r = receipt_parse(env->payload, env->payload_len, &rc, e);
	if (r < 0)
		return r;
	receipt_epoch(key, epoch);
	if (strcmp(rc.epoch, epoch) != 0)
		return err_reason(e, REASON_EPOCH,
				  "receipt %" PRId64 " of %s: epoch %s is not "
				  "its key's, %s",
				  rc.seq, rc.device, rc.epoch, epoch);
	*ret = rc;
	rc.json = NULL;
	return 0;
}

int receipt_read_gap(const struct receipt *r, struct receipt_gap *ret,
		     struct err *e)
{
	const char *stream, *digest;
	struct receipt_gap g = { 0 };
	const struct json_member table[] = {
		{ "stream", JSON_STRING, false, &stream },
		{ "from", JSON_INTEGER, false, &g.from },
		{ "to", JSON_INTEGER, false, &g.to },
		{ "digest", JSON_STRING, false, &digest },
		{ "cause", JSON_STRING, false, &g.cause },
		{ NULL },
	};
	int res;

	if (r->type != RECEIPT_GAP)
		return err_set(e, EINVAL, "receipt %" PRId64 " is not a gap",
			       r->seq);
	res = json_read_object(r->details, table, false, "gap", e);
	if (res < 0)
		return res;
	g.is_audit = strcmp(stream, "audit") == 0;
	if (!g.is_audit && strcmp(stream, "receipts") != 0)
		return err_set(e, EINVAL, "gap: 'stream' is misformed");
	if (g.from < 1 || g.to < g.from ||
	    encoding_parse_digest(digest, g.digest) < 0)
		return err_set(e, EINVAL,
			       "gap: from, to or digest is "
			       "misformed");
	*ret = g;
	return 0;
}

bool receipt_describes(const struct receipt *r)
{
	return r->type == RECEIPT_APPLIED &&
	       json_is_array(json_object_get(r->details, "documents")) &&
	       json_is_array(json_object_get(r->details, "not_enforced"));
}

void receipt_epoch(const struct key *k, char ret[33])
{
	memcpy(ret, key_id(k), EPOCH_DIGITS);
	ret[EPOCH_DIGITS] = '\0';
}

static size_t format_document_line(const struct receipt_doc *d,
				   char ret[LINE_SIZE])
{
	char digest[ENCODING_DIGEST_SIZE];

	encoding_format_digest(d->digest, digest);
	return (size_t)snprintf(ret, LINE_SIZE, "%s %s %" PRIu32 " %s\n",
				d->type, d->id, d->version, digest);
}

static int compare_documents(const void *a, const void *b)
{
	char x[LINE_SIZE], y[LINE_SIZE];

	format_document_line(a, x);
	format_document_line(b, y);
	return strcmp(x, y);
}

void receipt_state_digest(struct receipt_doc *docs, unsigned int n,
			  char ret[72])
{
	uint8_t digest[HASH_SIZE];
	struct hash h;

	qsort(docs, n, sizeof(*docs), compare_documents);
	hash_init(&h);
	for (unsigned int i = 0; i < n; i++) {
		char text[LINE_SIZE];

		hash_add(&h, text, format_document_line(&docs[i], text));
	}
	hash_end(&h, digest);
	encoding_format_digest(digest, ret);
}

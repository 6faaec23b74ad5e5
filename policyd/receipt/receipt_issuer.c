/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/receipt/receipt_issuer.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "policyd/document/document_set.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/recorder.h"
#include "policyd/store/store.h"

#include <string.h>

/* What one may take. */
#define RECEIPT_BYTES_MAX (INT64_C(256) * 1024)
#define DROP_BYTES (RECEIPT_ISSUER_BYTES_MAX / 16)

struct receipt_doc receipt_issuer_describe_document(const struct doc_head *h)
{
	struct receipt_doc d = {
		doc_type_name(h->type), h->id, h->version, { 0 }
	};

	memcpy(d.digest, h->digest, HASH_SIZE);
	return d;
}

void receipt_issuer_get_state_digest(const struct recorder *rec, char ret[72])
{
	struct receipt_doc docs[DOCUMENT_SET_MAX];

	for (unsigned int i = 0; i < rec->in_force->n; i++) {
		const struct doc_head *h = &rec->in_force->doc[i]->doc->head;

		docs[i] = receipt_issuer_describe_document(h);
	}
	receipt_state_digest(docs, rec->in_force->n, ret);
}

static json_t *build_document_json(const char *type, const char *id,
				   uint32_t version,
				   const uint8_t digest[HASH_SIZE])
{
	char text[ENCODING_DIGEST_SIZE];

	encoding_format_digest(digest, text);
	return json_pack("{ss ss sI ss}", "type", type, "id", id, "version",
			 (json_int_t)version, "sha256", text);
}

json_t *receipt_issuer_list_documents(const struct recorder *rec)
{
	auto_json json_t *all = json_array();

	for (unsigned int i = 0; all && i < rec->in_force->n; i++) {
		const struct doc_head *h = &rec->in_force->doc[i]->doc->head;

		if (json_array_append_new(
			    all,
			    build_document_json(doc_type_name(h->type), h->id,
						h->version, h->digest)) < 0)
			return NULL;
	}
	return steal(all);
}

static int build_receipt_payload(const struct recorder *rec,
				 const struct receipt_issuer_fields *r,
				 json_t *details, int64_t seq, const char *prev,
				 char **ret, struct err *e)
{
	const struct receipt_doc *d = r->document;
	char time[ENCODING_TIME_SIZE], state[ENCODING_DIGEST_SIZE],
		head[ENCODING_DIGEST_SIZE];
	auto_free char *level = NULL;
	struct audit_chain chain;
	auto_json json_t *j = NULL;
	int res = audit_log_get_chain(rec->store, &chain, e);

	if (res == 0)
		res = store_get_text(rec->store, STORE_LEVEL,
				     doc_level_name(DOC_OPEN), &level, e);
	if (res < 0)
		return res;
	encoding_format_digest(chain.head, head);
	encoding_format_time(recorder_get_time(rec), time);
	receipt_issuer_get_state_digest(rec, state);
	j = json_pack(
		"{si ss ss ss sI ss* ss ss? so? ss? ss ss s{sI ss} so}",
		"format", 1, "type", receipt_type_name(r->type), "device",
		rec->identity->device, "epoch", rec->identity->epoch, "seq",
		(json_int_t)seq, "prev", prev, "time", time, "reason",
		r->reason ? reason_code(r->reason) : NULL, "document",
		d ? build_document_json(d->type, d->id, d->version, d->digest)
		  : NULL,
		"vp", r->vp && *r->vp ? r->vp : NULL, "enforcement", level,
		"state", state, "audit", "seq", (json_int_t)chain.seq, "head",
		head, "details",
		details ? json_incref(details) : json_object());
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "write receipt");
}

/* The digest that the next receipt names as `prev`, as "sha256:<hex>"; "":
 * there is none. */
static int get_previous_receipt(const struct recorder *rec, char ret[72],
				struct err *e)
{
	auto_free char *hex = NULL;
	int r = store_get_text(rec->store, STORE_RECEIPT_HEAD, "", &hex, e);

	if (r < 0)
		return r;
	snprintf(ret, ENCODING_DIGEST_SIZE, "%s%s", *hex ? "sha256:" : "", hex);
	return 0;
}

int receipt_issuer_set_prev(const struct recorder *rec,
			    const uint8_t digest[HASH_SIZE], struct err *e)
{
	char hex[2 * HASH_SIZE + 1];

	encoding_to_hex(digest, HASH_SIZE, hex);
	return store_set_text(rec->store, STORE_RECEIPT_HEAD, hex, e);
}

/* Never the newest, whose digest the next one names. */
static int drop_old_receipts(const struct recorder *rec, int64_t upto,
			     int64_t *bytes, struct err *e)
{
	int64_t gone = 0, last = 0;
	int r = store_drop_receipts(rec->store, upto, DROP_BYTES, &gone, &last,
				    e);

	*bytes -= gone;
	if (r < 0 || last == 0)
		return r;
	return store_set_int(rec->store, STORE_RECEIPT_FLOOR, last, e);
}

static int free_receipt_space(const struct recorder *rec, int64_t seq,
			      int64_t need, int64_t *bytes, struct err *e)
{
	int64_t acked = 0;
	int r = store_get_int(rec->store, STORE_RECEIPT_BYTES, 0, bytes, e);

	if (r < 0 || *bytes + need <= RECEIPT_ISSUER_BYTES_MAX)
		return r;
	r = store_get_int(rec->store, STORE_RECEIPT_ACKED, 0, &acked, e);
	if (r == 0)
		r = drop_old_receipts(rec, acked < seq - 1 ? acked : seq - 2,
				      bytes, e);
	/* A gap covers what no server has had. */
	if (r == 0 && *bytes + need > RECEIPT_ISSUER_BYTES_MAX)
		r = drop_old_receipts(rec, seq - 2, bytes, e);
	return r < 0 ? r
		     : store_set_int(rec->store, STORE_RECEIPT_BYTES, *bytes,
				     e);
}

int receipt_issuer_make_room(const struct recorder *rec, struct err *e)
{
	int64_t bytes = 0, seq = 0;
	int r = store_get_int(rec->store, STORE_RECEIPT_SEQ, 0, &seq, e);

	return r < 0 ? r
		     : free_receipt_space(rec, seq + 1, 2 * RECEIPT_BYTES_MAX,
					  &bytes, e);
}

static int save_receipt_payload(const struct recorder *rec, int64_t seq,
				const char *payload, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	int64_t bytes = 0;
	int r = free_receipt_space(rec, seq, RECEIPT_BYTES_MAX, &bytes, e);

	hash_sha256(payload, strlen(payload), digest);
	if (r == 0)
		r = store_put_receipt(rec->store, seq, payload, e);
	if (r == 0)
		r = store_set_int(rec->store, STORE_RECEIPT_BYTES,
				  bytes + (int64_t)strlen(payload), e);
	return r < 0 ? r : receipt_issuer_set_prev(rec, digest, e);
}

int receipt_issuer_write(const struct recorder *rec,
			 const struct receipt_issuer_fields *r,
			 int64_t *ret_seq, struct err *e)
{
	auto_json json_t *details = r->details;
	auto_free char *payload = NULL;
	char prev[ENCODING_DIGEST_SIZE];
	int64_t seq;
	int res;

	if (!rec->identity->key)
		return 0;
	res = store_increment(rec->store, STORE_RECEIPT_SEQ, &seq, e);
	if (res == 0)
		res = get_previous_receipt(rec, prev, e);
	if (res == 0)
		res = build_receipt_payload(rec, r, details, seq,
					    *prev ? prev : NULL, &payload, e);
	if (res == 0)
		res = save_receipt_payload(rec, seq, payload, e);
	if (res == 0 && ret_seq)
		*ret_seq = seq;
	return res;
}

/* Its details keep the number that it had. */
static int update_receipt_position(const struct recorder *rec, json_t *j,
				   int64_t seq, struct err *e)
{
	json_t *details = json_object_get(j, "details");
	char prev[ENCODING_DIGEST_SIZE], head[ENCODING_DIGEST_SIZE];
	struct audit_chain chain;
	int r = get_previous_receipt(rec, prev, e);

	if (r == 0)
		r = audit_log_get_chain(rec->store, &chain, e);
	if (r < 0)
		return r;
	encoding_format_digest(chain.head, head);
	if (json_integer_value(json_object_get(j, "seq")) != seq)
		json_object_set(details, "was", json_object_get(j, "seq"));
	json_object_set_new(j, "seq", json_integer(seq));
	json_object_set_new(j, "prev", json_string(prev));
	json_object_set_new(j, "audit",
			    json_pack("{sI ss}", "seq", (json_int_t)chain.seq,
				      "head", head));
	return 0;
}

int receipt_issuer_renumber(const struct recorder *rec, const char *payload,
			    struct err *e)
{
	auto_free char *text = NULL;
	auto_json json_t *j = NULL;
	int64_t seq = 0, was;
	int r = json_parse(payload, strlen(payload), "receipt", &j, e);

	if (r == 0)
		r = store_increment(rec->store, STORE_RECEIPT_SEQ, &seq, e);
	if (r < 0)
		return r;
	was = json_integer_value(json_object_get(j, "seq"));
	r = update_receipt_position(rec, j, seq, e);
	if (r < 0)
		return r;
	text = json_text(j);
	if (!text)
		return err_oom(e, "write receipt");
	r = save_receipt_payload(rec, seq, text, e);
	return r < 0 ? r : store_update_receipt_refs(rec->store, was, seq, e);
}

int receipt_issuer_sign(const struct recorder *rec, const char *payload,
			char **ret, struct err *e)
{
	return envelope_make(RECEIPT_TYPE, payload, strlen(payload),
			     rec->identity->key, ret, e);
}

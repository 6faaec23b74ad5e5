/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/issuer.h"

#include "lib/auto.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/text.h"
#include "policyd/auditlog.h"
#include "policyd/policyd.h"

#include <string.h>

void issuer_state(const struct policyd *p, char ret[72])
{
	struct receipt_doc docs[HELD_MAX];

	for (unsigned int i = 0; i < p->force.n; i++) {
		const struct doc_head *h = &p->force.doc[i]->doc->head;

		docs[i] = (struct receipt_doc){
			doc_type_name(h->type), h->id, h->version, { 0 }
		};
		memcpy(docs[i].digest, h->digest, HASH_SIZE);
	}
	receipt_state(docs, p->force.n, ret);
}

static json_t *document(const char *type, const char *id, uint32_t version,
			const uint8_t digest[HASH_SIZE])
{
	char text[TEXT_DIGEST_SIZE];

	text_digest(digest, text);
	return json_pack("{ss ss sI ss}", "type", type, "id", id, "version",
			 (json_int_t)version, "sha256", text);
}

json_t *issuer_documents(const struct policyd *p)
{
	auto_json json_t *all = json_array();

	for (unsigned int i = 0; all && i < p->force.n; i++) {
		const struct doc_head *h = &p->force.doc[i]->doc->head;

		if (json_array_append_new(all, document(doc_type_name(h->type),
							h->id, h->version,
							h->digest)) < 0)
			return NULL;
	}
	return steal(all);
}

static int build(struct policyd *p, const struct issuer_receipt *r,
		 json_t *details, int64_t seq, const char *prev, char **ret,
		 struct err *e)
{
	const struct receipt_doc *d = r->document;
	char time[TEXT_TIME_SIZE], state[TEXT_DIGEST_SIZE],
		head[TEXT_DIGEST_SIZE];
	auto_free char *level = NULL;
	struct audit_chain chain;
	auto_json json_t *j = NULL;
	int res = auditlog_chain(p->store, &chain, e);

	if (res == 0)
		res = store_get_text(p->store, STORE_LEVEL,
				     doc_level_name(DOC_OPEN), &level, e);
	if (res < 0)
		return res;
	text_digest(chain.head, head);
	text_time(policyd_stamp(p), time);
	issuer_state(p, state);
	j = json_pack("{si ss ss ss sI ss* ss ss? so? ss? ss ss s{sI ss} so}",
		      "format", 1, "type", receipt_type_name(r->type), "device",
		      p->device_id, "epoch", p->epoch, "seq", (json_int_t)seq,
		      "prev", prev, "time", time, "reason",
		      r->reason ? reason_code(r->reason) : NULL, "document",
		      d ? document(d->type, d->id, d->version, d->digest)
			: NULL,
		      "vp", r->vp && *r->vp ? r->vp : NULL, "enforcement",
		      level, "state", state, "audit", "seq",
		      (json_int_t)chain.seq, "head", head, "details",
		      details ? json_incref(details) : json_object());
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "write receipt");
}

/* What the next receipt names as the one before it; "": there is none. */
static int get_prev(struct policyd *p, char ret[TEXT_DIGEST_SIZE],
		    struct err *e)
{
	auto_free char *hex = NULL;
	int r = store_get_text(p->store, STORE_RECEIPT_HEAD, "", &hex, e);

	if (r < 0)
		return r;
	snprintf(ret, TEXT_DIGEST_SIZE, "%s%s", *hex ? "sha256:" : "", hex);
	return 0;
}

static int set_prev(struct policyd *p, const char *payload, struct err *e)
{
	char hex[2 * HASH_SIZE + 1];
	uint8_t digest[HASH_SIZE];

	hash_sha256(payload, strlen(payload), digest);
	text_hex(digest, sizeof(digest), hex);
	return store_set_text(p->store, STORE_RECEIPT_HEAD, hex, e);
}

int issuer_write(struct policyd *p, const struct issuer_receipt *r,
		 int64_t *ret_seq, struct err *e)
{
	auto_json json_t *details = r->details;
	auto_free char *payload = NULL;
	char prev[TEXT_DIGEST_SIZE];
	int64_t seq;
	int res;

	if (!p->key)
		return 0;
	res = store_count(p->store, STORE_RECEIPT_SEQ, &seq, e);
	if (res == 0)
		res = get_prev(p, prev, e);
	if (res == 0)
		res = build(p, r, details, seq, *prev ? prev : NULL, &payload,
			    e);
	if (res == 0)
		res = store_put_receipt(p->store, seq, payload, e);
	if (res == 0)
		res = set_prev(p, payload, e);
	if (res == 0 && ret_seq)
		*ret_seq = seq;
	return res;
}

int issuer_sign(const struct policyd *p, const char *payload, char **ret,
		struct err *e)
{
	return envelope_make(RECEIPT_TYPE, payload, strlen(payload), p->key,
			     ret, e);
}

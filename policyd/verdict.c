/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/verdict.h"

#include "lib/auto.h"
#include "lib/doc.h"
#include "lib/text.h"
#include "policyd/auditlog.h"
#include "policyd/issuer.h"
#include "policyd/policyd.h"

#include <string.h>

#define AGAIN_SECONDS 3600

bool verdict_is_refusal(const struct err *e)
{
	return e->reason != REASON_NONE && e->reason != REASON_STORAGE_FULL &&
	       e->reason != REASON_INTERNAL;
}

struct receipt_doc verdict_doc(const struct doc_head *h)
{
	struct receipt_doc d = {
		doc_type_name(h->type), h->id, h->version, { 0 }
	};

	memcpy(d.digest, h->digest, HASH_SIZE);
	return d;
}

static json_t *describe(const struct receipt_doc *d, const struct err *why)
{
	char digest[TEXT_DIGEST_SIZE];

	text_digest(d->digest, digest);
	return json_pack("{ss ss sI ss ss}", "type", d->type, "id", d->id,
			 "version", (json_int_t)d->version, "sha256", digest,
			 "reason", err_code(why));
}

int verdict_write_refusal(struct policyd *p, const struct receipt_doc *what,
			  const char *vp, const struct err *why,
			  int64_t *ret_seq, struct err *e)
{
	const struct issuer_receipt receipt = {
		.type = RECEIPT_REFUSED,
		.reason = why->reason ? why->reason : REASON_INTERNAL,
		.vp = vp,
		.document = what,
		.details = json_pack("{ss}", "text", why->text),
	};
	int64_t now = policyd_now(p);
	int r;

	*ret_seq = 0;
	r = store_note_refusal(p->store, what->digest, err_code(why), now,
			       now - AGAIN_SECONDS, e);
	if (r != 0) {
		json_decref(receipt.details);
		return r < 0 ? r : 0;
	}
	r = auditlog_write(p, AUDIT_REFUSED, vp, NULL, describe(what, why), e);
	if (r < 0) {
		json_decref(receipt.details);
		return r;
	}
	return issuer_write(p, &receipt, ret_seq, e);
}

int verdict_refuse(struct policyd *p, const struct receipt_doc *what,
		   const char *vp, const struct err *why, struct err *e)
{
	AUTO(store_endp) struct store *tx = NULL;
	int64_t seq;
	int r = store_begin(p->store, true, &tx, e);

	if (r == 0)
		r = verdict_write_refusal(p, what, vp, why, &seq, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0 && seq > 0)
		policyd_pending(p, "receipts");
	return r;
}

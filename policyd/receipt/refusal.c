/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/receipt/refusal.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "policyd/document/secure_time.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/pending.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/recorder.h"
#include "policyd/store/store.h"

#include <errno.h>
#include <string.h>

#define AGAIN_SECONDS 3600
#define STRANGERS_MAX 60
#define SIGNERS_MAX 100

bool refusal_is_caused_by(const struct err *e)
{
	return e->reason != REASON_NONE && e->reason != REASON_STORAGE_FULL &&
	       e->reason != REASON_INTERNAL;
}

static json_t *describe_refusal(const struct receipt_doc *d,
				const struct err *why)
{
	char digest[ENCODING_DIGEST_SIZE];

	encoding_format_digest(d->digest, digest);
	return json_pack("{ss ss sI ss ss}", "type", d->type, "id", d->id,
			 "version", (json_int_t)d->version, "sha256", digest,
			 "reason", err_code(why));
}

/* Is it to be reported? *ret_again: how often the same was refused meanwhile.
 */
static int record_refusal(const struct recorder *rec, const struct refusal *f,
			  int64_t *ret_again, struct err *e)
{
	static const unsigned int max[] = {
		[REFUSAL_STRANGER] = STRANGERS_MAX,
		[REFUSAL_SIGNER] = SIGNERS_MAX,
		[REFUSAL_ACCEPTED] = UINT32_MAX,
	};
	/* Not secure time, which a new root may set back. */
	int64_t now = secure_time_get_total_uptime(rec->time, clock_boot_ns()),
		n;
	int r = store_record_refusal(
		rec->store,
		&(struct store_refusal){ .digest = f->what->digest,
					 .reason = err_code(f->why),
					 .is_signed =
						 f->source != REFUSAL_STRANGER,
					 .now = now,
					 .since = now - AGAIN_SECONDS,
					 .max = max[f->source] },
		ret_again, e);

	if (r != STORE_TOO_MANY)
		return r;
	r = store_increment(rec->store, STORE_UNTOLD, &n, e);
	return r < 0 ? r : STORE_TOO_MANY;
}

/* What was only counted since the last one that was reported. */
static json_t *build_refusal_details(const struct recorder *rec,
				     const struct err *why, int64_t again,
				     struct err *e)
{
	int64_t untold = 0;
	json_t *j;

	if (store_get_int(rec->store, STORE_UNTOLD, 0, &untold, e) < 0 ||
	    (untold > 0 && store_set_int(rec->store, STORE_UNTOLD, 0, e) < 0))
		return NULL;
	j = json_pack("{ss}", "text", why->text);
	if (!j) {
		err_oom(e, "write receipt");
		return NULL;
	}
	if (again > 0)
		json_object_set_new(j, "again", json_integer(again));
	if (untold > 0)
		json_object_set_new(j, "untold", json_integer(untold));
	return j;
}

int refusal_write(const struct recorder *rec, const struct refusal *f,
		  int64_t *ret_seq, struct err *e)
{
	struct receipt_issuer_fields receipt = {
		.type = RECEIPT_REFUSED,
		.reason = f->why->reason ? f->why->reason : REASON_INTERNAL,
		.vp = f->vp,
		.document = f->what,
	};
	int64_t again = 0;
	int r = record_refusal(rec, f, &again, e);

	*ret_seq = 0;
	if (r != STORE_NEWS)
		return r < 0 ? r : 0;
	receipt.details = build_refusal_details(rec, f->why, again, e);
	if (!receipt.details)
		return -EIO;
	r = audit_log_write(rec, AUDIT_REFUSED, f->vp, NULL,
			    describe_refusal(f->what, f->why), e);
	if (r < 0) {
		json_decref(receipt.details);
		return r;
	}
	return receipt_issuer_write(rec, &receipt, ret_seq, e);
}

int refusal_commit(const struct recorder *rec, const struct refusal *f,
		   struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t seq;
	/* Not durable: who floods us moves no disk, and what is sent is synced
	 * before. */
	int r = store_begin_bulk(rec->store, false, &tx, e);

	if (r == 0)
		r = refusal_write(rec, f, &seq, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0 && seq > 0)
		pending_signal(rec->pending, "receipts");
	return r;
}

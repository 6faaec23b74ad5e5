/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/receipt/gap.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/pending.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/recorder.h"
#include "policyd/store/store.h"

#include <errno.h>
#include <string.h>

static const char *get_stream_name(bool is_audit)
{
	return is_audit ? "audit" : "receipts";
}

int gap_write(const struct recorder *rec, const struct receipt_gap *g,
	      int64_t *ret_seq, struct err *e)
{
	char digest[ENCODING_DIGEST_SIZE];

	encoding_format_digest(g->digest, digest);
	return receipt_issuer_write(
		rec,
		&(struct receipt_issuer_fields){
			.type = RECEIPT_GAP,
			.details = json_pack("{ss sI sI ss ss}", "stream",
					     get_stream_name(g->is_audit),
					     "from", (json_int_t)g->from, "to",
					     (json_int_t)g->to, "digest",
					     digest, "cause", g->cause) },
		ret_seq, e);
}

/* The predecessor that an entry's text names. */
static int read_previous_digest(const char *text, uint8_t ret[HASH_SIZE],
				struct err *e)
{
	auto_json json_t *j = NULL;
	const char *prev = NULL;
	int r = json_parse(text, strlen(text), "entry", &j, e);

	if (r < 0)
		return r;
	prev = json_string_value(json_object_get(j, "prev"));
	if (!prev || encoding_parse_digest(prev, ret) < 0)
		return err_set(e, EBADMSG, "an entry names none before it");
	return 0;
}

/* Of the last that is gone: what the one behind it names. */
static int find_gap_digest(const struct recorder *rec, struct receipt_gap *g,
			   struct err *e)
{
	auto_free char *text = NULL;
	struct audit_chain chain;
	int r = g->is_audit
			? store_get_audit(rec->store, g->to + 1, &text, e)
			: store_get_receipt(rec->store, g->to + 1, &text, e);

	if (r == 0)
		return read_previous_digest(text, g->digest, e);
	if (r != -ENOENT || !g->is_audit)
		return r;
	r = audit_log_get_chain(rec->store, &chain,
				e); /* all of them are gone */
	if (r == 0)
		memcpy(g->digest, chain.head, HASH_SIZE);
	return r;
}

/* Where a stream begins now: what is numbered up to *ret is gone. */
static int find_stream_floor(const struct recorder *rec, bool is_audit,
			     int64_t *ret, struct err *e)
{
	int64_t oldest = 0, last = 0;
	int r;

	if (!is_audit)
		return store_get_int(rec->store, STORE_RECEIPT_FLOOR, 0, ret,
				     e);
	r = store_get_oldest_audit(rec->store, &oldest, e);
	if (r == 0)
		r = store_get_int(rec->store, STORE_AUDIT_SEQ, 0, &last, e);
	if (r == 0)
		*ret = oldest > 0 ? oldest - 1 : last;
	return r;
}

static int write_stream_gap(const struct recorder *rec, bool is_audit,
			    int64_t *ret_seq, struct err *e)
{
	struct receipt_gap g = { .is_audit = is_audit, .from = 1 };
	int64_t acked = 0;
	int r = receipt_issuer_make_room(
		rec, e); /* or writing would move the floor */

	if (r == 0)
		r = find_stream_floor(rec, is_audit, &g.to, e);
	if (r == 0)
		r = store_get_int(rec->store,
				  is_audit ? STORE_AUDIT_ACKED
					   : STORE_RECEIPT_ACKED,
				  0, &acked, e);
	if (r == 0)
		r = find_gap_digest(rec, &g, e);
	if (r < 0)
		return r;
	g.cause = acked < g.to ? "full" : "acknowledged";
	r = gap_write(rec, &g, ret_seq, e);
	return r < 0 ? r
		     : store_set_gap(rec->store, get_stream_name(is_audit),
				     g.from, g.to, *ret_seq, e);
}

static int report_stream_gap(const struct recorder *rec, bool is_audit,
			     int64_t after, int64_t *ret_seq, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t floor = 0;
	int r = find_stream_floor(rec, is_audit, &floor, e);

	*ret_seq = 0;
	if (r < 0 || after >= floor)
		return r;
	r = store_get_gap(rec->store, get_stream_name(is_audit), floor, ret_seq,
			  e);
	if (r != -ENOENT)
		return r;
	r = store_begin(rec->store, true, &tx, e);
	if (r == 0)
		r = write_stream_gap(rec, is_audit, ret_seq, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0)
		pending_signal(rec->pending, "receipts");
	return r;
}

int gap_report_receipts(const struct recorder *rec, int64_t after,
			int64_t *ret_seq, struct err *e)
{
	return report_stream_gap(rec, false, after, ret_seq, e);
}

int gap_report_audit(const struct recorder *rec, int64_t after,
		     int64_t *ret_seq, struct err *e)
{
	return report_stream_gap(rec, true, after, ret_seq, e);
}

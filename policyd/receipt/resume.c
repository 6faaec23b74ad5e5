/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/receipt/resume.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/gap.h"
#include "policyd/receipt/pending.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/recorder.h"
#include "policyd/store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CAUSE "restored"

/* An entry that this device signed once, as a server shows it. */
struct server_entry {
	bool is_there;
	int64_t seq;
	uint8_t digest[HASH_SIZE];
};

static int open_server_receipt(const struct recorder *rec, const char *text,
			       size_t len, struct server_entry *ret,
			       struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(receipt_fini) struct receipt rc = { 0 };
	int r = envelope_parse(text, len, &env, e);

	if (r == 0)
		r = receipt_open(env, rec->identity->key, &rc, e);
	if (r < 0)
		return r;
	if (!rc.device || strcmp(rc.device, rec->identity->device) != 0)
		return err_reason(e, REASON_WRONG_DEVICE, "a receipt of %.40s",
				  rc.device);
	ret->is_there = true;
	ret->seq = rc.seq;
	memcpy(ret->digest, env->digest, HASH_SIZE);
	return 0;
}

static int parse_server_head(const struct recorder *rec,
			     const struct envelope *env,
			     struct server_entry *ret, struct err *e)
{
	const char *device = "", *epoch = "", *head = "";
	auto_json json_t *j = NULL;
	int64_t seq = 0;
	const struct json_member table[] = {
		{ "device", JSON_STRING, false, &device },
		{ "epoch", JSON_STRING, false, &epoch },
		{ "head", JSON_STRING, false, &head },
		{ "seq", JSON_INTEGER, false, &seq },
		{ NULL },
	};
	int r = json_parse(env->payload, env->payload_len, "audit head", &j, e);

	if (r == 0)
		r = json_read_object(j, table, false, "audit head", e);
	if (r < 0)
		return r;
	if (strcmp(device, rec->identity->device) != 0 ||
	    strcmp(epoch, rec->identity->epoch) != 0 || seq < 1 ||
	    encoding_parse_digest(head, ret->digest) < 0)
		return err_set(e, EBADMSG, "an audit head of another device");
	ret->is_there = true;
	ret->seq = seq;
	return 0;
}

static int open_server_head(const struct recorder *rec, const char *text,
			    size_t len, struct server_entry *ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	int r = envelope_parse(text, len, &env, e);

	if (r == 0)
		r = envelope_verify(env, AUDIT_HEAD_TYPE, rec->identity->key,
				    e);
	return r < 0 ? r : parse_server_head(rec, env, ret, e);
}

/* ---- is it one of those that are held? */
static bool has_text_digest(const char *text, const uint8_t digest[HASH_SIZE])
{
	uint8_t own[HASH_SIZE];

	hash_sha256(text, strlen(text), own);
	return memcmp(own, digest, HASH_SIZE) == 0;
}

/* 1: this device signed it, and does not know it; 0: all is well. */
static int is_receipt_unknown(const struct recorder *rec,
			      const struct server_entry *s, struct err *e)
{
	auto_free char *text = NULL;
	int64_t last = 0;
	int r = store_get_int(rec->store, STORE_RECEIPT_SEQ, 0, &last, e);

	if (r < 0 || !s->is_there)
		return r;
	if (s->seq > last)
		return 1;
	r = store_get_receipt(rec->store, s->seq, &text, e);
	if (r < 0) /* gone since long */
		return r == -ENOENT ? 0 : r;
	return !has_text_digest(text, s->digest);
}

static int is_audit_unknown(const struct recorder *rec,
			    const struct server_entry *s, struct err *e)
{
	auto_free char *text = NULL;
	struct audit_chain chain;
	int r = audit_log_get_chain(rec->store, &chain, e);

	if (r < 0 || !s->is_there)
		return r;
	if (s->seq > (int64_t)chain.seq)
		return 1;
	r = store_get_audit(rec->store, s->seq, &text, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return !has_text_digest(text, s->digest);
}

/* ---- entries that get other numbers */
struct entry_list {
	char **text;
	size_t n, room;
	int64_t bytes;
};

static void entry_list_fini(struct entry_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->text[i]);
	free(l->text);
}

static int append_entry_text(void *ctx, int64_t seq, const char *text,
			     struct err *e)
{
	struct entry_list *l = ctx;
	char **more;

	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		more = reallocarray(l->text, l->room, sizeof(*more));
		if (!more)
			return err_oom(e, "renumber entries");
		l->text = more;
	}
	l->text[l->n] = strdup(text);
	if (!l->text[l->n])
		return err_oom(e, "renumber entries");
	l->n++;
	l->bytes += (int64_t)strlen(text);
	return 0;
}

/* Where those begin that no server is known to have. */
static int find_renumber_start(const struct recorder *rec, const char *acked,
			       int64_t shown, int64_t *ret, struct err *e)
{
	int r = store_get_int(rec->store, acked, 0, ret, e);

	if (r == 0 && *ret >= shown)
		*ret = shown - 1;
	return r;
}

static int subtract_stored_bytes(const struct recorder *rec, const char *name,
				 int64_t bytes, struct err *e)
{
	int64_t held = 0;
	int r = store_get_int(rec->store, name, 0, &held, e);

	return r < 0 ? r : store_set_int(rec->store, name, held - bytes, e);
}

/* The records go on behind the head that was shown. */
static int rechain_audit_records(const struct recorder *rec,
				 const struct server_entry *s,
				 struct receipt_gap *ret, struct err *e)
{
	AUTO(entry_list_fini) struct entry_list l = { 0 };
	char hex[2 * HASH_SIZE + 1];
	int64_t cut;
	int r = find_renumber_start(rec, STORE_AUDIT_ACKED, s->seq, &cut, e);

	if (r == 0)
		r = store_each_audit(rec->store, cut, UINT32_MAX,
				     append_entry_text, &l, e);
	if (r == 0)
		r = store_truncate_audit(rec->store, cut, e);
	if (r == 0)
		r = subtract_stored_bytes(rec, STORE_AUDIT_BYTES, l.bytes, e);
	if (r == 0)
		r = store_set_int(rec->store, STORE_AUDIT_SEQ, s->seq, e);
	encoding_to_hex(s->digest, HASH_SIZE, hex);
	if (r == 0)
		r = store_set_text(rec->store, STORE_AUDIT_HEAD, hex, e);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = audit_log_rechain_record(rec, l.text[i], e);
	*ret = (struct receipt_gap){
		.is_audit = true, .from = cut + 1, .to = s->seq, .cause = CAUSE
	};
	memcpy(ret->digest, s->digest, HASH_SIZE);
	return r;
}

/* The gap comes first: it makes room for the numbers behind it. */
static int renumber_receipts(const struct recorder *rec,
			     const struct server_entry *s, struct err *e)
{
	AUTO(entry_list_fini) struct entry_list l = { 0 };
	struct receipt_gap g = { .to = s->seq, .cause = CAUSE };
	int64_t cut, seq;
	int r = find_renumber_start(rec, STORE_RECEIPT_ACKED, s->seq, &cut, e);

	if (r == 0)
		r = store_each_receipt(rec->store, cut, UINT32_MAX,
				       append_entry_text, &l, e);
	if (r == 0)
		r = store_truncate_receipts(rec->store, cut, e);
	if (r == 0)
		r = subtract_stored_bytes(rec, STORE_RECEIPT_BYTES, l.bytes, e);
	if (r == 0)
		r = store_set_int(rec->store, STORE_RECEIPT_SEQ, s->seq, e);
	if (r == 0)
		r = receipt_issuer_set_prev(rec, s->digest, e);
	g.from = cut + 1;
	memcpy(g.digest, s->digest, HASH_SIZE);
	if (r == 0)
		r = gap_write(rec, &g, &seq, e);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = receipt_issuer_renumber(rec, l.text[i], e);
	return r;
}

static int resume_streams(const struct recorder *rec,
			  const struct server_entry *receipt,
			  const struct server_entry *head, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct receipt_gap gap = { 0 };
	int lost, cut, r = store_begin(rec->store, true, &tx, e);
	int64_t seq;

	if (r < 0)
		return r;
	cut = is_audit_unknown(rec, head, e);
	lost = cut < 0 ? cut : is_receipt_unknown(rec, receipt, e);
	if (lost < 0 || (!cut && !lost))
		return lost;
	log_warning("this device runs from an older copy of its storage: a "
		    "server holds receipts to %" PRId64 " and records to "
		    "%" PRId64 " by its key",
		    receipt->seq, head->seq);
	/* First the records, which receipts refer to. */
	if (cut)
		r = rechain_audit_records(rec, head, &gap, e);
	if (r == 0 && lost)
		r = renumber_receipts(rec, receipt, e);
	if (r == 0 && cut)
		r = gap_write(rec, &gap, &seq, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0)
		pending_signal(rec->pending, "receipts");
	return r;
}

int resume_from_server(const struct recorder *rec, const char *receipt,
		       size_t receipt_len, const char *head, size_t head_len,
		       struct err *e)
{
	struct server_entry r = { 0 }, h = { 0 };
	struct err why;

	if (!rec->identity->key)
		return 0;
	if (receipt_len > 0 &&
	    open_server_receipt(rec, receipt, receipt_len, &r, &why) < 0)
		log_warning("the server's newest receipt: %s", why.text);
	if (head_len > 0 && open_server_head(rec, head, head_len, &h, &why) < 0)
		log_warning("the server's newest audit head: %s", why.text);
	return resume_streams(rec, &r, &h, e);
}

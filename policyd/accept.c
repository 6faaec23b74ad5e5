/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/accept.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/envelope.h"
#include "lib/document/threshold.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "policyd/activate.h"
#include "policyd/document/secure_time.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/recorder.h"
#include "policyd/receipt/refusal.h"

#include <errno.h>
#include <string.h>

static int write_document_accepted(const struct recorder *rec,
				   const struct receipt_doc *d, struct err *e)
{
	char digest[ENCODING_DIGEST_SIZE];

	encoding_format_digest(d->digest, digest);
	return audit_log_write(
		rec, AUDIT_ACCEPTED, NULL, NULL,
		json_pack("{ss ss sI ss}", "type", d->type, "id", d->id,
			  "version", (json_int_t)d->version, "sha256", digest),
		e);
}

/* ---- roots */
/* 1: the floor's document reaches the threshold under the new root; 0: no more.
 */
static int is_floor_still_signed(void *ctx, enum doc_type type,
				 const char *text, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	struct err ignored;
	int r = envelope_parse(text, strlen(text), &env, e);

	/* One that cannot be read binds nobody, and keeps no root out. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return threshold_check(ctx, env, NULL, NULL, &ignored) == 0;
}

/* Everything that a new root changes in the store. */
static int write_next_root(const struct recorder *rec, const struct verify *v,
			   const char *text, const struct secure_time *time,
			   struct err *e)
{
	const struct receipt_doc d =
		receipt_issuer_describe_document(&v->doc->head);
	const struct receipt_issuer_fields receipt = { .type = RECEIPT_APPLIED,
						       .document = &d };
	char saved[SECURE_TIME_TEXT_SIZE];
	int r = store_put_root(rec->store, &v->doc->head, text, e);

	if (r == 0)
		r = store_recount_floors(rec->store, is_floor_still_signed,
					 (void *)doc_as_root(v->doc), e);
	secure_time_format(time, clock_boot_ns(), clock_wall(), saved);
	if (r == 0)
		r = store_set_text(rec->store, STORE_TIME, saved, e);
	if (r == 0 && v->new_director) {
		r = store_set_int(rec->store, STORE_SNAPSHOT_FLOOR, 0, e);
		if (r == 0)
			r = activate_delete_staged_rows(rec->store, e);
	}
	if (r == 0)
		r = write_document_accepted(rec, &d, e);
	return r < 0 ? r : receipt_issuer_write(rec, &receipt, NULL, e);
}

int accept_root(const struct recorder *rec, const struct verify *v,
		const char *text, const struct secure_time *time, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int r = store_begin(rec->store, true, &tx, e);

	if (r == 0)
		r = write_next_root(rec, v, text, time, e);
	return r < 0 ? r : store_commit(&tx, e);
}

/* ---- snapshots and their documents */
struct receipt_doc accept_describe_snapshot(const struct snapshot *s)
{
	struct receipt_doc d = { "snapshot", s->device, s->version, { 0 } };

	memcpy(d.digest, s->digest, HASH_SIZE);
	return d;
}

static int write_snapshot_floor(struct store *store, const struct snapshot *s,
				const struct secure_time *time, struct err *e)
{
	char hex[2 * HASH_SIZE + 1], saved[SECURE_TIME_TEXT_SIZE];
	int r;

	encoding_to_hex(s->digest, HASH_SIZE, hex);
	secure_time_format(time, clock_boot_ns(), clock_wall(), saved);
	r = store_set_int(store, STORE_SNAPSHOT_FLOOR, s->version, e);
	if (r == 0)
		r = store_set_text(store, STORE_SNAPSHOT_DIGEST, hex, e);
	if (r == 0)
		r = store_set_text(store, STORE_TIME, saved, e);
	return r;
}

int accept_snapshot(const struct recorder *rec, const struct activate_facts *f,
		    struct verify *v, const struct secure_time *time,
		    struct activate *ret, struct err *e)
{
	const struct receipt_doc d = accept_describe_snapshot(v->snapshot);
	AUTO(store_rollbackp) struct store *tx = NULL;
	int r = store_begin_bulk(rec->store,
				 activate_may_complete(f, v->snapshot), &tx, e);

	if (r == 0)
		r = write_snapshot_floor(rec->store, v->snapshot, time, e);
	if (r == 0)
		r = write_document_accepted(rec, &d, e);
	if (r == 0)
		r = activate_stage(f, steal(v->snapshot), v->env->payload, ret,
				   e);
	if (r == 0)
		r = store_commit(&tx, e);
	/* For the receipt, which names it. */
	if (r < 0 && ret->snapshot)
		v->snapshot = steal(ret->snapshot);
	return r;
}

int accept_document(const struct recorder *rec, const struct activate_facts *f,
		    struct verify *v, const char *text, struct activate *ret,
		    struct err *e)
{
	const struct receipt_doc d =
		receipt_issuer_describe_document(&v->doc->head);
	AUTO(store_rollbackp) struct store *tx = NULL;
	enum store_staged state = STORE_ACCEPTED;
	int r = store_begin_bulk(rec->store, activate_lacks_one(f), &tx, e);

	/* It may wait for its image longer than the window is open. */
	if (strcmp(f->verify.window, d.id) == 0)
		state = STORE_UNLOCKED;
	if (r == 0)
		r = store_put_document(rec->store, &v->doc->head, text, e);
	if (r == 0)
		r = write_document_accepted(rec, &d, e);
	if (r == 0)
		r = activate_add_document(f, steal(v->doc), state, ret, e);
	return r < 0 ? r : store_commit(&tx, e);
}

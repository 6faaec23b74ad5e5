/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/submit.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/envelope.h"
#include "lib/log.h"
#include "policyd/activate.h"
#include "policyd/audit_log.h"
#include "policyd/command.h"
#include "policyd/image.h"
#include "policyd/membership.h"
#include "policyd/password.h"
#include "policyd/policyd.h"
#include "policyd/receipt_issuer.h"
#include "policyd/verdict.h"
#include "policyd/verify.h"

#include <string.h>

#define UNKNOWN "unknown"

void intake_facts(const struct policyd *p, struct verify_facts *ret)
{
	*ret = (struct verify_facts){
		.root = policyd_root(p),
		.store = p->store,
		.now = policyd_now(p),
		.confirmed = policyd_confirmed(p),
		.device = p->device_id,
		.epoch = p->epoch,
		.snapshot = p->snapshot,
		.staged = p->staged,
		.force = &p->force,
		.window = password_window(p),
	};
}

static struct receipt_doc snapshot_doc(const struct snapshot *s)
{
	struct receipt_doc d = { "snapshot", s->device, s->version, { 0 } };

	memcpy(d.digest, s->digest, HASH_SIZE);
	return d;
}

/* As much of what was refused as may be told: nothing is parsed before its
 * signatures hold. */
static struct receipt_doc what_is(const struct envelope *env,
				  const struct verify *v)
{
	enum doc_type type;
	struct receipt_doc d = { UNKNOWN, UNKNOWN, 0, { 0 } };

	if (v->doc)
		return verdict_doc(&v->doc->head);
	if (v->snapshot)
		return snapshot_doc(v->snapshot);
	type = doc_type_from_payload_type(env->type);
	if (type != DOC_NONE)
		d.type = doc_type_name(type);
	else if (strcmp(env->type, SNAPSHOT_TYPE) == 0)
		d.type = "snapshot";
	memcpy(d.digest, env->digest, HASH_SIZE);
	return d;
}

/* ---- taking */
static int accept(struct policyd *p, const struct receipt_doc *d, struct err *e)
{
	char digest[TEXT_DIGEST_SIZE];

	text_digest(d->digest, digest);
	return auditlog_write(
		p, AUDIT_ACCEPTED, NULL, NULL,
		json_pack("{ss ss sI ss}", "type", d->type, "id", d->id,
			  "version", (json_int_t)d->version, "sha256", digest),
		e);
}

/* 1: the floor's document reaches the threshold under the new root; 0: no more.
 */
static int still_counts(void *ctx, enum doc_type type, const char *text,
			struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	struct err ignored;
	int r = envelope_parse(text, strlen(text), &env, e);

	/* One that cannot be read binds nobody, and keeps no root out. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return trust_check(ctx, env, NULL, &ignored) == 0;
}

/* Everything that a new root changes in the store. */
static int write_root(struct policyd *p, const struct verify *v,
		      const char *text, const struct securetime *time,
		      struct err *e)
{
	const struct receipt_doc d = verdict_doc(&v->doc->head);
	const struct issuer_receipt receipt = { .type = RECEIPT_APPLIED,
						.document = &d };
	char saved[SECURETIME_TEXT_SIZE];
	int r = store_put_root(p->store, &v->doc->head, text, e);

	if (r == 0)
		r = store_recount_floors(p->store, still_counts,
					 (void *)doc_as_root(v->doc), e);
	securetime_text(time, clock_boot_ns(), clock_wall(), saved);
	if (r == 0)
		r = store_set_text(p->store, STORE_TIME, saved, e);
	if (r == 0 && v->new_director) {
		r = store_set_int(p->store, STORE_SNAPSHOT_FLOOR, 0, e);
		if (r == 0)
			r = activate_drop(p, e);
	}
	if (r == 0)
		r = accept(p, &d, e);
	return r < 0 ? r : issuer_write(p, &receipt, NULL, e);
}

static int take_root(struct policyd *p, struct verify *v, const char *text,
		     struct verdict *ret, struct err *e)
{
	AUTO(store_endp) struct store *tx = NULL;
	struct securetime time = p->time;
	int r = store_begin(p->store, true, &tx, e);

	if (v->new_director)
		securetime_reset(&time, v->doc->head.issued, clock_boot_ns());
	else
		securetime_contact(&time, clock_boot_ns());
	if (r == 0)
		r = write_root(p, v, text, &time, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	p->time = time;
	doc_free(p->root);
	p->root = steal(v->doc);
	if (v->new_director)
		activate_dropped(p);
	else
		activate_root_changed(p);
	policyd_pending(p, "receipts");
	ret->outcome = "accepted";
	return 0;
}

static int write_snapshot(struct policyd *p, const struct snapshot *s,
			  const struct securetime *time, struct err *e)
{
	char hex[2 * HASH_SIZE + 1], saved[SECURETIME_TEXT_SIZE];
	int r;

	text_hex(s->digest, HASH_SIZE, hex);
	securetime_text(time, clock_boot_ns(), clock_wall(), saved);
	r = store_set_int(p->store, STORE_SNAPSHOT_FLOOR, s->version, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_SNAPSHOT_DIGEST, hex, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_TIME, saved, e);
	return r;
}

/* The staged one again: whatever blocked it may be gone by now. */
static void look_again(struct policyd *p, struct verdict *ret)
{
	struct err e;

	if (!p->staged) {
		ret->outcome = "known";
		return;
	}
	p->staged_blocked = false;
	if (activate_retry(p, &e) < 0)
		log_error("activate: %s", e.text);
	if (p->staged) {
		image_continue(p);
		policyd_pending(p, "wants");
	}
	ret->outcome = p->staged ? "staged" : "accepted";
}

static int take_snapshot(struct policyd *p, struct verify *v,
			 const struct envelope *env, struct verdict *ret,
			 struct err *e)
{
	AUTO(activate_fini) struct activate a = { 0 };
	AUTO(store_endp) struct store *tx = NULL;
	const struct receipt_doc d = snapshot_doc(v->snapshot);
	struct securetime time = p->time;
	int r;

	securetime_snapshot(&time, v->snapshot->issued, v->snapshot->expires,
			    clock_boot_ns());
	r = store_begin_bulk(p->store, activate_may_complete(p, v->snapshot),
			     &tx, e);
	if (r == 0)
		r = write_snapshot(p, v->snapshot, &time, e);
	if (r == 0)
		r = accept(p, &d, e);
	if (r == 0)
		r = activate_stage(p, steal(v->snapshot), env->payload, &a, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0) {
		/* for the receipt, which names it */
		if (a.snapshot)
			v->snapshot = steal(a.snapshot);
		return r;
	}
	p->time = time;
	ret->outcome = a.complete ? "accepted" : "staged";
	activate_adopt(p, &a);
	return 0;
}

/* The snapshot is refused in its document's stead. */
static int refuse_snapshot(struct policyd *p, const struct err *why,
			   struct verdict *ret, struct err *e)
{
	int r = activate_refuse(p, why, e);

	if (r < 0)
		return r;
	ret->outcome = "refused";
	ret->e = *why;
	return 0;
}

static int take_document(struct policyd *p, struct verify *v, const char *text,
			 struct verdict *ret, struct err *e)
{
	AUTO(activate_fini) struct activate a = { 0 };
	AUTO(store_endp) struct store *tx = NULL;
	const struct receipt_doc d = verdict_doc(&v->doc->head);
	enum store_staged state = STORE_ACCEPTED;
	int r;

	/* It may wait for its image longer than the window is open. */
	if (strcmp(password_window(p), d.id) == 0)
		state = STORE_UNLOCKED;
	if (!p->staged || held_by_digest(&p->staged_docs, d.digest)) {
		ret->outcome = "known";
		return 0;
	}
	r = store_begin_bulk(p->store, activate_lacks_one(p), &tx, e);
	if (r == 0)
		r = store_put_document(p->store, &v->doc->head, text, e);
	if (r == 0)
		r = accept(p, &d, e);
	if (r == 0)
		r = activate_add(p, steal(v->doc), state, &a, e);
	if (r < 0 && verdict_is_refusal(e)) {
		const struct err why = *e;

		store_endp(&tx);
		tx = NULL;
		return refuse_snapshot(p, &why, ret, e);
	}
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	ret->outcome = a.complete ? "accepted" : "staged";
	p->staged_blocked = false;
	activate_adopt(p, &a);
	return 0;
}

static int take(struct policyd *p, struct verify *v, const struct envelope *env,
		const char *text, struct verdict *ret, struct err *e)
{
	if (v->known && !v->doc && !v->snapshot) {
		ret->outcome = "known"; /* a root */
		return 0;
	}
	if (v->snapshot) {
		if (!v->known)
			return take_snapshot(p, v, env, ret, e);
		look_again(p, ret);
		return 0;
	}
	switch (v->doc->head.type) {
	case DOC_ROOT:
		return take_root(p, v, text, ret, e);
	case DOC_COMMAND:
		return v->known ? command_repeat(p, v->doc, ret, e)
				: command_take(p, doc_as_command(v->doc), ret,
					       e);
	case DOC_MEMBERSHIP:
		return v->known ? command_repeat(p, v->doc, ret, e)
				: membership_take(p, doc_as_membership(v->doc),
						  ret, e);
	default:
		break;
	}
	if (v->known) {
		ret->outcome = "known";
		return 0;
	}
	return take_document(p, v, text, ret, e);
}

static bool is_document(const char *type)
{
	switch (doc_type_from_name(type)) {
	case DOC_GROUP:
	case DOC_DEVICE_POLICY:
	case DOC_VP_CONFIG:
	case DOC_IMAGE:
		return true;
	default:
		return false;
	}
}

static int conclude(struct policyd *p, const struct receipt_doc *d,
		    enum verdict_source source, struct verdict *ret,
		    struct err *e)
{
	const struct err why = *e;
	const struct verdict_refusal f = { source, d, NULL, &why };

	if (!verdict_is_refusal(&why))
		return e->reason ? -reason_errno(e->reason) : -EIO;
	log_info("refused %s '%s' %u: %s", d->type, d->id, d->version,
		 why.text);
	/*
	 * Else the agent would ask for it again and again. A late one, of
	 * another snapshot, is none of this one's business.
	 */
	if (is_document(d->type) && p->staged &&
	    snapshot_names(p->staged, d->digest))
		p->staged_blocked = true;
	ret->outcome = "refused";
	ret->e = why;
	return verdict_refuse(p, &f, e);
}

int intake_submit(struct policyd *p, const void *data, size_t len,
		  struct verdict *ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(verify_fini) struct verify v = { 0 };
	auto_free char *text = NULL;
	struct verify_facts facts;
	struct receipt_doc d = { UNKNOWN, UNKNOWN, 0, { 0 } };
	int r;

	if (!p->root)
		return err_reason(e, REASON_BUSY,
				  "submit: this device is not enrolled");
	p->arrived_ns = clock_mono_ns();
	*ret = (struct verdict){ 0 };
	r = envelope_parse(data, len, &env, e);
	if (r < 0) {
		hash_sha256(data, len, d.digest);
		return conclude(p, &d, VERDICT_STRANGER, ret, e);
	}
	/* Not before: what is too large is not copied either. */
	text = strndup(data, len);
	if (!text)
		return err_oom(e, "submit");
	intake_facts(p, &facts);
	r = verify_envelope(&facts, env, &v, e);
	if (r < 0 && v.contradicts) {
		const struct err why = *e;

		return refuse_snapshot(p, &why, ret, e);
	}
	if (r == 0)
		r = take(p, &v, env, text, ret, e);
	if (r == 0)
		return 0;
	d = what_is(env, &v);
	return conclude(p, &d,
			v.doc || v.snapshot ? VERDICT_SIGNER : VERDICT_STRANGER,
			ret, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/submit.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/log.h"
#include "policyd/audit_log.h"
#include "policyd/command.h"
#include "policyd/document/activate.h"
#include "policyd/document/membership.h"
#include "policyd/document/verdict.h"
#include "policyd/document/verify.h"
#include "policyd/layer/image.h"
#include "policyd/password.h"
#include "policyd/policyd.h"
#include "policyd/receipt_issuer.h"

#include <string.h>

#define UNKNOWN "unknown"

void submit_get_verify_facts(const struct policyd *p, struct verify_facts *ret)
{
	*ret = (struct verify_facts){
		.root = document_state_get_root(&p->state),
		.store = p->store,
		.now = policyd_get_presumed_time(p),
		.confirmed = policyd_get_confirmed_time(p),
		.device = p->identity.device,
		.epoch = p->identity.epoch,
		.snapshot = p->state.snapshot,
		.staged = p->state.staged,
		.in_force = &p->state.in_force,
		.window = password_get_open_config(p),
	};
}

static struct receipt_doc build_snapshot_document(const struct snapshot *s)
{
	struct receipt_doc d = { "snapshot", s->device, s->version, { 0 } };

	memcpy(d.digest, s->digest, HASH_SIZE);
	return d;
}

/* As much of what was refused as may be reported: nothing is parsed before its
 * signatures hold. */
static struct receipt_doc describe_submission(const struct envelope *env,
					      const struct verify *v)
{
	enum doc_type type;
	struct receipt_doc d = { UNKNOWN, UNKNOWN, 0, { 0 } };

	if (v->doc)
		return verdict_build_document(&v->doc->head);
	if (v->snapshot)
		return build_snapshot_document(v->snapshot);
	type = doc_type_from_payload_type(env->type);
	if (type != DOC_NONE)
		d.type = doc_type_name(type);
	else if (strcmp(env->type, SNAPSHOT_TYPE) == 0)
		d.type = "snapshot";
	memcpy(d.digest, env->digest, HASH_SIZE);
	return d;
}

/* ---- taking */
static int write_document_accepted(struct policyd *p,
				   const struct receipt_doc *d, struct err *e)
{
	char digest[ENCODING_DIGEST_SIZE];

	encoding_format_digest(d->digest, digest);
	return audit_log_write(
		&p->recorder, AUDIT_ACCEPTED, NULL, NULL,
		json_pack("{ss ss sI ss}", "type", d->type, "id", d->id,
			  "version", (json_int_t)d->version, "sha256", digest),
		e);
}

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
	return trust_check(ctx, env, NULL, &ignored) == 0;
}

/* Everything that a new root changes in the store. */
static int write_next_root(struct policyd *p, const struct verify *v,
			   const char *text, const struct secure_time *time,
			   struct err *e)
{
	const struct receipt_doc d = verdict_build_document(&v->doc->head);
	const struct receipt_issuer_fields receipt = { .type = RECEIPT_APPLIED,
						       .document = &d };
	char saved[SECURE_TIME_TEXT_SIZE];
	int r = store_put_root(p->store, &v->doc->head, text, e);

	if (r == 0)
		r = store_recount_floors(p->store, is_floor_still_signed,
					 (void *)doc_as_root(v->doc), e);
	secure_time_format(time, clock_boot_ns(), clock_wall(), saved);
	if (r == 0)
		r = store_set_text(p->store, STORE_TIME, saved, e);
	if (r == 0 && v->new_director) {
		r = store_set_int(p->store, STORE_SNAPSHOT_FLOOR, 0, e);
		if (r == 0)
			r = activate_delete_staged_rows(p, e);
	}
	if (r == 0)
		r = write_document_accepted(p, &d, e);
	return r < 0 ? r
		     : receipt_issuer_write(&p->recorder, &receipt, NULL, e);
}

static int accept_next_root(struct policyd *p, struct verify *v,
			    const char *text, struct verdict *ret,
			    struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct secure_time time = p->time;
	int r = store_begin(p->store, true, &tx, e);

	if (v->new_director)
		secure_time_reset(&time, v->doc->head.issued, clock_boot_ns());
	else
		secure_time_set_contact(&time, clock_boot_ns());
	if (r == 0)
		r = write_next_root(p, v, text, &time, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	p->time = time;
	doc_free(p->state.root);
	p->state.root = steal(v->doc);
	if (v->new_director)
		activate_forget_staged(p);
	else
		activate_handle_new_root(p);
	pending_signal(&p->pending, "receipts");
	ret->outcome = "accepted";
	return 0;
}

static int write_snapshot_floor(struct policyd *p, const struct snapshot *s,
				const struct secure_time *time, struct err *e)
{
	char hex[2 * HASH_SIZE + 1], saved[SECURE_TIME_TEXT_SIZE];
	int r;

	encoding_to_hex(s->digest, HASH_SIZE, hex);
	secure_time_format(time, clock_boot_ns(), clock_wall(), saved);
	r = store_set_int(p->store, STORE_SNAPSHOT_FLOOR, s->version, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_SNAPSHOT_DIGEST, hex, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_TIME, saved, e);
	return r;
}

/* The staged one again: whatever blocked it may be gone by now. */
static void retry_staged_snapshot(struct policyd *p, struct verdict *ret)
{
	struct err e;

	if (!p->state.staged) {
		ret->outcome = "known";
		return;
	}
	p->state.staged_blocked = false;
	if (activate_retry(p, &e) < 0)
		log_error("activate: %s", e.text);
	if (p->state.staged) {
		image_resume_download(p->image);
		pending_signal(&p->pending, "wants");
	}
	ret->outcome = p->state.staged ? "staged" : "accepted";
}

static int accept_snapshot(struct policyd *p, struct verify *v,
			   const struct envelope *env, struct verdict *ret,
			   struct err *e)
{
	AUTO(activate_fini) struct activate a = { 0 };
	AUTO(store_rollbackp) struct store *tx = NULL;
	const struct receipt_doc d = build_snapshot_document(v->snapshot);
	struct secure_time time = p->time;
	int r;

	secure_time_set_snapshot(&time, v->snapshot->issued,
				 v->snapshot->expires, clock_boot_ns());
	r = store_begin_bulk(p->store, activate_may_complete(p, v->snapshot),
			     &tx, e);
	if (r == 0)
		r = write_snapshot_floor(p, v->snapshot, &time, e);
	if (r == 0)
		r = write_document_accepted(p, &d, e);
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
	activate_update_state(p, &a);
	return 0;
}

/* The snapshot is refused in its document's stead. */
static int refuse_staged_snapshot(struct policyd *p, const struct err *why,
				  struct verdict *ret, struct err *e)
{
	int r = activate_refuse_staged(p, why, e);

	if (r < 0)
		return r;
	ret->outcome = "refused";
	ret->e = *why;
	return 0;
}

static int accept_document(struct policyd *p, struct verify *v,
			   const char *text, struct verdict *ret, struct err *e)
{
	AUTO(activate_fini) struct activate a = { 0 };
	AUTO(store_rollbackp) struct store *tx = NULL;
	const struct receipt_doc d = verdict_build_document(&v->doc->head);
	enum store_staged state = STORE_ACCEPTED;
	int r;

	/* It may wait for its image longer than the window is open. */
	if (strcmp(password_get_open_config(p), d.id) == 0)
		state = STORE_UNLOCKED;
	if (!p->state.staged ||
	    document_set_find_by_digest(&p->state.staged_docs, d.digest)) {
		ret->outcome = "known";
		return 0;
	}
	r = store_begin_bulk(p->store, activate_lacks_one(p), &tx, e);
	if (r == 0)
		r = store_put_document(p->store, &v->doc->head, text, e);
	if (r == 0)
		r = write_document_accepted(p, &d, e);
	if (r == 0)
		r = activate_add_document(p, steal(v->doc), state, &a, e);
	if (r < 0 && verdict_is_refusal(e)) {
		const struct err why = *e;

		store_rollbackp(&tx);
		tx = NULL;
		return refuse_staged_snapshot(p, &why, ret, e);
	}
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	ret->outcome = a.complete ? "accepted" : "staged";
	p->state.staged_blocked = false;
	activate_update_state(p, &a);
	return 0;
}

static int handle_verified_envelope(struct policyd *p, struct verify *v,
				    const struct envelope *env,
				    const char *text, struct verdict *ret,
				    struct err *e)
{
	if (v->known && !v->doc && !v->snapshot) {
		ret->outcome = "known"; /* a root */
		return 0;
	}
	if (v->snapshot) {
		if (!v->known)
			return accept_snapshot(p, v, env, ret, e);
		retry_staged_snapshot(p, ret);
		return 0;
	}
	switch (v->doc->head.type) {
	case DOC_ROOT:
		return accept_next_root(p, v, text, ret, e);
	case DOC_COMMAND:
		return v->known ? command_repeat_receipt(p->commands, v->doc,
							 ret, e)
				: command_receive(p->commands,
						  doc_as_command(v->doc), ret,
						  e);
	case DOC_MEMBERSHIP:
		return v->known ? command_repeat_receipt(p->commands, v->doc,
							 ret, e)
				: membership_accept(
					  p, doc_as_membership(v->doc), ret, e);
	default:
		break;
	}
	if (v->known) {
		ret->outcome = "known";
		return 0;
	}
	return accept_document(p, v, text, ret, e);
}

static bool is_snapshot_document(const char *type)
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

static int handle_submit_error(struct policyd *p, const struct receipt_doc *d,
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
	if (is_snapshot_document(d->type) && p->state.staged &&
	    snapshot_has_digest(p->state.staged, d->digest))
		p->state.staged_blocked = true;
	ret->outcome = "refused";
	ret->e = why;
	return verdict_refuse(&p->recorder, &f, e);
}

int submit_envelope(struct policyd *p, const void *data, size_t len,
		    struct verdict *ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(verify_fini) struct verify v = { 0 };
	auto_free char *text = NULL;
	struct verify_facts facts;
	struct receipt_doc d = { UNKNOWN, UNKNOWN, 0, { 0 } };
	int r;

	if (!p->state.root)
		return err_reason(e, REASON_BUSY,
				  "submit: this device is not enrolled");
	p->arrived_ns = clock_mono_ns();
	*ret = (struct verdict){ 0 };
	r = envelope_parse(data, len, &env, e);
	if (r < 0) {
		hash_sha256(data, len, d.digest);
		return handle_submit_error(p, &d, VERDICT_STRANGER, ret, e);
	}
	/* Not before: what is too large is not copied either. */
	text = strndup(data, len);
	if (!text)
		return err_oom(e, "submit");
	submit_get_verify_facts(p, &facts);
	r = verify_envelope(&facts, env, &v, e);
	if (r < 0 && v.contradicts) {
		const struct err why = *e;

		return refuse_staged_snapshot(p, &why, ret, e);
	}
	if (r == 0)
		r = handle_verified_envelope(p, &v, env, text, ret, e);
	if (r == 0)
		return 0;
	d = describe_submission(env, &v);
	return handle_submit_error(
		p, &d, v.doc || v.snapshot ? VERDICT_SIGNER : VERDICT_STRANGER,
		ret, e);
}

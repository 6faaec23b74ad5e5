/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/submit.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/envelope.h"
#include "lib/log.h"
#include "policyd/accept.h"
#include "policyd/activate.h"
#include "policyd/command.h"
#include "policyd/document/verify.h"
#include "policyd/membership.h"
#include "policyd/policyd.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/refusal.h"
#include "policyd/staging.h"
#include "policyd/submit_result.h"

#include <string.h>

#define UNKNOWN "unknown"

/* As much of what was refused as may be reported: nothing is parsed before its
 * signatures hold. */
static struct receipt_doc describe_submission(const struct envelope *env,
					      const struct verify *v)
{
	enum doc_type type;
	struct receipt_doc d = { UNKNOWN, UNKNOWN, 0, { 0 } };

	if (v->doc)
		return receipt_issuer_describe_document(&v->doc->head);
	if (v->snapshot)
		return accept_describe_snapshot(v->snapshot);
	type = doc_type_from_payload_type(env->type);
	if (type != DOC_NONE)
		d.type = doc_type_name(type);
	else if (strcmp(env->type, SNAPSHOT_TYPE) == 0)
		d.type = "snapshot";
	memcpy(d.digest, env->digest, HASH_SIZE);
	return d;
}

/* ---- being taken: in the store, then in memory */
static int take_root(struct policyd *p, struct verify *v, const char *text,
		     struct submit_result *ret, struct err *e)
{
	struct secure_time time = p->time;
	int r;

	if (v->new_director)
		secure_time_reset(&time, v->doc->head.issued, clock_boot_ns());
	else
		secure_time_set_contact(&time, clock_boot_ns());
	r = accept_root(&p->recorder, v, text, &time, e);
	if (r < 0)
		return r;
	p->time = time;
	doc_free(p->state.root);
	p->state.root = steal(v->doc);
	if (v->new_director)
		staging_drop(p);
	else
		staging_handle_new_root(p);
	pending_signal(&p->pending, "receipts");
	ret->outcome = "accepted";
	return 0;
}

/* The staged one again: whatever blocked it may be gone by now. */
static void retry_staged_snapshot(struct policyd *p, struct submit_result *ret)
{
	struct err e;

	if (!p->state.staged) {
		ret->outcome = "known";
		return;
	}
	p->state.staged_blocked = false;
	if (staging_retry(p, &e) < 0)
		log_error("activate: %s", e.text);
	if (p->state.staged)
		staging_unblock(p);
	ret->outcome = p->state.staged ? "staged" : "accepted";
}

static int take_snapshot(struct policyd *p, const struct activate_facts *f,
			 struct verify *v, struct submit_result *ret,
			 struct err *e)
{
	AUTO(activate_fini) struct activate a = { 0 };
	struct secure_time time = p->time;
	int r;

	secure_time_set_snapshot(&time, v->snapshot->issued,
				 v->snapshot->expires, clock_boot_ns());
	r = accept_snapshot(&p->recorder, f, v, &time, &a, e);
	if (r < 0)
		return r;
	p->time = time;
	ret->outcome = a.complete ? "accepted" : "staged";
	staging_apply(p, &a);
	return 0;
}

/* The snapshot is refused in its document's stead. */
static int refuse_staged_snapshot(struct policyd *p, const struct err *why,
				  struct submit_result *ret, struct err *e)
{
	int r = staging_refuse(p, why, e);

	if (r < 0)
		return r;
	ret->outcome = "refused";
	ret->e = *why;
	return 0;
}

static int take_document(struct policyd *p, const struct activate_facts *f,
			 struct verify *v, const char *text,
			 struct submit_result *ret, struct err *e)
{
	AUTO(activate_fini) struct activate a = { 0 };
	int r;

	if (!p->state.staged ||
	    document_set_find_by_digest(&p->state.staged_docs,
					v->doc->head.digest)) {
		ret->outcome = "known";
		return 0;
	}
	r = accept_document(&p->recorder, f, v, text, &a, e);
	if (r < 0 && refusal_is_caused_by(e)) {
		const struct err why = *e;

		return refuse_staged_snapshot(p, &why, ret, e);
	}
	if (r < 0)
		return r;
	ret->outcome = a.complete ? "accepted" : "staged";
	p->state.staged_blocked = false;
	staging_apply(p, &a);
	return 0;
}

static int take_membership(struct policyd *p, const struct doc_membership *m,
			   struct submit_result *ret, struct err *e)
{
	int r = membership_accept(&p->recorder, m, e);

	if (r < 0)
		return r;
	staging_drop(p);
	pending_signal(&p->pending, "receipts");
	pending_signal(&p->pending, "hello");
	ret->outcome = "accepted";
	return 0;
}

static int handle_verified_envelope(struct policyd *p,
				    const struct activate_facts *f,
				    struct verify *v, const char *text,
				    struct submit_result *ret, struct err *e)
{
	if (v->known && !v->doc && !v->snapshot) {
		ret->outcome = "known"; /* a root */
		return 0;
	}
	if (v->snapshot) {
		if (!v->known)
			return take_snapshot(p, f, v, ret, e);
		retry_staged_snapshot(p, ret);
		return 0;
	}
	switch (v->doc->head.type) {
	case DOC_ROOT:
		return take_root(p, v, text, ret, e);
	case DOC_COMMAND:
		return v->known ? command_repeat_receipt(p->commands, v->doc,
							 ret, e)
				: command_receive(p->commands,
						  doc_as_command(v->doc), ret,
						  e);
	case DOC_MEMBERSHIP:
		return v->known ? command_repeat_receipt(p->commands, v->doc,
							 ret, e)
				: take_membership(p, doc_as_membership(v->doc),
						  ret, e);
	default:
		break;
	}
	if (v->known) {
		ret->outcome = "known";
		return 0;
	}
	return take_document(p, f, v, text, ret, e);
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
			       enum refusal_source source,
			       struct submit_result *ret, struct err *e)
{
	const struct err why = *e;
	const struct refusal f = { source, d, NULL, &why };

	if (!refusal_is_caused_by(&why))
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
	return refusal_commit(&p->recorder, &f, e);
}

int submit_envelope(struct policyd *p, const void *data, size_t len,
		    struct submit_result *ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(verify_fini) struct verify v = { 0 };
	auto_free char *text = NULL;
	struct activate_facts facts;
	struct receipt_doc d = { UNKNOWN, UNKNOWN, 0, { 0 } };
	int r;

	if (!p->state.root)
		return err_reason(e, REASON_BUSY,
				  "submit: this device is not enrolled");
	p->arrived_ns = clock_mono_ns();
	*ret = (struct submit_result){ 0 };
	r = envelope_parse(data, len, &env, e);
	if (r < 0) {
		hash_sha256(data, len, d.digest);
		return handle_submit_error(p, &d, REFUSAL_STRANGER, ret, e);
	}
	/* Not before: what is too large is not copied either. */
	text = strndup(data, len);
	if (!text)
		return err_oom(e, "submit");
	staging_gather_facts(p, &facts);
	r = verify_envelope(&facts.verify, env, &v, e);
	if (r < 0 && v.contradicts) {
		const struct err why = *e;

		return refuse_staged_snapshot(p, &why, ret, e);
	}
	if (r == 0)
		r = handle_verified_envelope(p, &facts, &v, text, ret, e);
	if (r == 0)
		return 0;
	d = describe_submission(env, &v);
	return handle_submit_error(
		p, &d, v.doc || v.snapshot ? REFUSAL_SIGNER : REFUSAL_STRANGER,
		ret, e);
}

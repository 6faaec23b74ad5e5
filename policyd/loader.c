/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/loader.h"

#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/activate.h"
#include "policyd/document/document_state.h"
#include "policyd/receipt/recorder.h"
#include "policyd/receipt/refusal.h"

#include <string.h>

#define FAULTS_MAX 16 /* reported at one start; the rest at the next */

/* A row that cannot be explained. */
struct load_fault {
	char type[STORE_WORD_SIZE], id[DOC_ID_SIZE];
	int64_t version;
	uint8_t digest[HASH_SIZE];
	struct err why;
};

struct loader {
	const struct recorder *rec;
	struct identity *id;
	struct document_state *state;
	unsigned int n;
	struct load_fault fault[FAULTS_MAX];
};

static void add_load_fault(struct loader *l, const char *type, const char *id,
			   int64_t version, const uint8_t *digest,
			   const struct err *why)
{
	struct load_fault *f = &l->fault[l->n];

	log_error("%s '%s' cannot be used: %s", type, id, why->text);
	if (l->n == FAULTS_MAX)
		return;
	l->n++;
	snprintf(f->type, sizeof(f->type), "%s", type);
	snprintf(f->id, sizeof(f->id), "%s", id);
	f->version = version;
	if (digest)
		memcpy(f->digest, digest, HASH_SIZE);
	f->why = *why;
	f->why.reason = REASON_INTERNAL;
}

/* ---- what is forgotten once it was reported */
static int remove_faulty_row(struct store *store, const struct load_fault *f,
			     struct err *e)
{
	if (strcmp(f->type, doc_type_name(DOC_ROOT)) == 0)
		return store_drop_root(store, f->version, e);
	if (strcmp(f->type, "snapshot") != 0)
		return store_drop_in_force(store, f->type, f->id, e);
	if (strcmp(f->id, STORE_STAGED) == 0)
		return activate_delete_staged_rows(store, e);
	return store_remove_value(store, f->id, e);
}

static int report_fault(const struct recorder *rec, const struct load_fault *f,
			struct err *e)
{
	struct receipt_doc d = { f->type, f->id, (uint32_t)f->version, { 0 } };
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t seq;
	int r = store_begin(rec->store, true, &tx, e);

	memcpy(d.digest, f->digest, HASH_SIZE);
	if (strcmp(f->type, "snapshot") == 0)
		d.id = rec->identity->device;
	if (r == 0)
		r = refusal_write(rec,
				  &(struct refusal){ REFUSAL_ACCEPTED, &d, NULL,
						     &f->why },
				  &seq, e);
	if (r == 0)
		r = remove_faulty_row(rec->store, f, e);
	return r < 0 ? r : store_commit(&tx, e);
}

/* What cannot be written now is reported at the next start. */
static void report_all_faults(const struct loader *l)
{
	struct err e;

	for (unsigned int i = 0; i < l->n; i++)
		if (report_fault(l->rec, &l->fault[i], &e) < 0)
			log_error("report %s '%s': %s", l->fault[i].type,
				  l->fault[i].id, e.text);
}

/* ---- root and identity */
static int parse_root_envelope(const char *text, struct doc **ret,
			       struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	int r = envelope_parse(text, strlen(text), &env, e);

	return r < 0 ? r
		     : doc_parse(DOC_ROOT, env->payload, env->payload_len, ret,
				 e);
}

/* The newest that can be read: the next one comes from the server once more. */
static int on_root_row(void *ctx, int64_t version, const char *text,
		       struct err *e)
{
	struct loader *l = ctx;
	int r = parse_root_envelope(text, &l->state->root, e);

	if (r == 0)
		return 1;
	if (r == -ENOMEM)
		return r;
	add_load_fault(l, doc_type_name(DOC_ROOT), "root", version, NULL, e);
	return 0;
}

static void load_text_value(struct store *store, const char *name, char *ret,
			    size_t size)
{
	auto_free char *text = NULL;
	struct err e;

	if (store_lookup_text(store, name, &text, &e) < 0)
		log_error("load %s: %s", name, e.text);
	else
		snprintf(ret, size, "%s", text);
}

/* Without its key the device obeys, and cannot prove it. */
static void load_identity(struct loader *l)
{
	auto_free char *pem = NULL;
	struct err e;
	int r = store_lookup_text(l->rec->store, STORE_KEY, &pem, &e);

	if (r == 0)
		r = key_from_pem(pem, &l->id->key, &e);
	if (r < 0)
		log_error("load the receipt key: %s", e.text);
	if (pem)
		explicit_bzero(pem, strlen(pem));
	load_text_value(l->rec->store, STORE_DEVICE, l->id->device,
			sizeof(l->id->device));
	load_text_value(l->rec->store, STORE_EPOCH, l->id->epoch,
			sizeof(l->id->epoch));
	snprintf(l->id->org, sizeof(l->id->org), "%s",
		 l->state->root->head.org);
}

/* ---- documents in force */
/* The document of the row, or another one's bytes? */
static int check_row_document(const char *org, const struct store_row *row,
			      const struct doc_head *h, struct err *e)
{
	if (memcmp(h->digest, row->digest, HASH_SIZE) == 0 &&
	    strcmp(doc_type_name(h->type), row->type) == 0 &&
	    strcmp(h->id, row->id) == 0 && strcmp(h->org, org) == 0)
		return 0;
	return err_set(e, EBADMSG, "it is held as %s '%s', and says %s '%s'",
		       row->type, row->id, doc_type_name(h->type), h->id);
}

static int parse_row_document(const char *org, const struct store_row *row,
			      struct doc **ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *d = NULL;
	int r;

	if (!*row->envelope)
		return err_set(e, ENOENT, "the document itself is not held");
	r = envelope_parse(row->envelope, strlen(row->envelope), &env, e);
	if (r == 0)
		r = doc_parse(doc_type_from_payload_type(env->type),
			      env->payload, env->payload_len, &d, e);
	if (r == 0)
		r = check_row_document(org, row, &d->head, e);
	if (r == 0)
		*ret = steal(d);
	return r;
}

static int on_in_force_row(void *ctx, const struct store_row *row,
			   struct err *e)
{
	struct loader *l = ctx;
	struct doc *d;
	int r = parse_row_document(l->id->org, row, &d, e);

	if (r == 0)
		r = document_set_add(&l->state->in_force, d, e);
	if (r == 0 || r == -ENOMEM)
		return r;
	add_load_fault(l, row->type, row->id, 0, row->digest, e);
	return 0;
}

/* By their own words: has something gone of what is in force? */
static bool is_set_incomplete(const struct document_set *h)
{
	const struct doc_group *g = document_set_find_group(h);
	struct err ignored;

	if (h->n == 0)
		return false;
	return !g ||
	       document_set_check_complete(h, g->head.id, 1, &ignored) < 0;
}

/* ---- snapshots */
static int load_snapshot(struct loader *l, struct err *e)
{
	auto_free char *text = NULL;
	int r = store_lookup_text(l->rec->store, STORE_SNAPSHOT, &text, e);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = snapshot_parse(text, strlen(text), &l->state->snapshot, e);
	if (r == 0 || r == -ENOMEM)
		return r;
	add_load_fault(l, "snapshot", STORE_SNAPSHOT, 0, NULL, e);
	return 0;
}

static int load_staged_documents(struct loader *l, const char *text,
				 struct err *e)
{
	struct activate_facts facts;
	int r = snapshot_parse(text, strlen(text), &l->state->staged, e);

	if (r < 0)
		return r;
	activate_gather_facts(l->rec, l->state, &facts);
	return activate_verify_staged(&facts, &l->state->staged_docs, e);
}

static int load_staged_snapshot(struct loader *l, struct err *e)
{
	auto_free char *text = NULL;
	int r = store_lookup_text(l->rec->store, STORE_STAGED, &text, e);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = load_staged_documents(l, text, e);
	if (r == 0 || r == -ENOMEM)
		return r;
	add_load_fault(l, "snapshot", STORE_STAGED,
		       l->state->staged ? l->state->staged->version : 0,
		       l->state->staged ? l->state->staged->digest : NULL, e);
	document_state_drop_staged(l->state);
	return 0;
}

int loader_load_state(const struct recorder *rec, struct identity *id,
		      struct document_state *state, struct err *e)
{
	auto_free struct loader *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_oom(e, "load");
	l->rec = rec;
	l->id = id;
	l->state = state;
	r = store_each_root(rec->store, on_root_row, l, e);
	if (r < 0 || !state->root)
		return r;
	load_identity(l);
	r = store_each_in_force(rec->store, on_in_force_row, l, e);
	if (r == 0)
		r = load_snapshot(l, e);
	if (r == 0)
		r = load_staged_snapshot(l, e);
	if (r < 0)
		return r;
	state->in_force.is_partial = is_set_incomplete(&state->in_force);
	report_all_faults(l);
	return 0;
}

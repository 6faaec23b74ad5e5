/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/document_set.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <string.h>

static void unref_document(struct document_set_entry *d)
{
	if (--d->refs > 0)
		return;
	doc_free(d->doc);
	free(d);
}

void document_set_fini(struct document_set *h)
{
	for (unsigned int i = 0; i < h->n; i++)
		unref_document(h->doc[i]);
	*h = (struct document_set){ 0 };
}

int document_set_add_shared(struct document_set *h,
			    struct document_set_entry *d, struct err *e)
{
	if (h->n == DOCUMENT_SET_MAX)
		return err_set(e, ENOSPC, "more than %d documents",
			       DOCUMENT_SET_MAX);
	d->refs++;
	h->doc[h->n++] = d;
	if (d->doc->head.type == DOC_DEVICE_POLICY)
		h->policy[h->n_policies++] = doc_as_device_policy(d->doc);
	return 0;
}

int document_set_add(struct document_set *h, struct doc *doc, struct err *e)
{
	struct document_set_entry *d = calloc(1, sizeof(*d));
	int r;

	if (!d) {
		doc_free(doc);
		return err_oom(e, "hold document");
	}
	d->doc = doc;
	d->refs = 1;
	r = document_set_add_shared(h, d, e);
	unref_document(d);
	return r;
}

struct document_set_entry *
document_set_find_by_digest(const struct document_set *h,
			    const uint8_t digest[HASH_SIZE])
{
	for (unsigned int i = 0; i < h->n; i++)
		if (memcmp(h->doc[i]->doc->head.digest, digest, HASH_SIZE) == 0)
			return h->doc[i];
	return NULL;
}

static const struct doc *find_document(const struct document_set *h,
				       enum doc_type type, const char *id)
{
	for (unsigned int i = 0; i < h->n; i++) {
		const struct doc *d = h->doc[i]->doc;

		if (d->head.type == type && (!id || !strcmp(d->head.id, id)))
			return d;
	}
	return NULL;
}

const struct doc_vp_config *
document_set_find_config(const struct document_set *h, const char *vp)
{
	const struct doc *d = find_document(h, DOC_VP_CONFIG, vp);

	return d ? doc_as_vp_config(d) : NULL;
}

const struct doc_image *document_set_find_image(const struct document_set *h,
						const char *id)
{
	const struct doc *d = find_document(h, DOC_IMAGE, id);

	return d ? doc_as_image(d) : NULL;
}

const struct doc_group *document_set_find_group(const struct document_set *h)
{
	const struct doc *d = find_document(h, DOC_GROUP, NULL);

	return d ? doc_as_group(d) : NULL;
}

/* ---- whole sets */
static unsigned int count_documents(const struct document_set *h,
				    enum doc_type type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < h->n; i++)
		n += h->doc[i]->doc->head.type == type;
	return n;
}

static int check_one_document(const struct document_set *h, enum doc_type type,
			      const char *id, uint32_t min, struct err *e)
{
	const struct doc *found = NULL;

	for (unsigned int i = 0; i < h->n; i++) {
		const struct doc *d = h->doc[i]->doc;

		if (d->head.type != type || strcmp(d->head.id, id) != 0)
			continue;
		if (found)
			return err_reason(e, REASON_INCOMPLETE,
					  "the set has %s '%s' twice",
					  doc_type_name(type), id);
		found = d;
	}
	if (!found)
		return err_reason(e, REASON_INCOMPLETE,
				  "the set has no %s '%s'", doc_type_name(type),
				  id);
	if (found->head.version < min)
		return err_reason(e, REASON_INCOMPLETE,
				  "the set has %s '%s' %u, but %u is the "
				  "minimum",
				  doc_type_name(type), id, found->head.version,
				  min);
	return 0;
}

static int check_document_count(const struct document_set *h,
				enum doc_type type, unsigned int want,
				struct err *e)
{
	unsigned int n = count_documents(h, type);

	if (n == want)
		return 0;
	return err_reason(e, REASON_INCOMPLETE,
			  "the set has %u of %s where %u belong", n,
			  doc_type_name(type), want);
}

/* Exactly what the group names. */
static int check_group_documents(const struct document_set *h,
				 const struct doc_group *g, struct err *e)
{
	unsigned int policies = 0, configs = 0;
	int r;

	for (unsigned int i = 0; i < g->n_refs; i++) {
		const struct doc_ref *ref = &g->ref[i];

		r = check_one_document(h, ref->type, ref->id, ref->min_version,
				       e);
		if (r < 0)
			return r;
		policies += ref->type == DOC_DEVICE_POLICY;
		configs += ref->type == DOC_VP_CONFIG;
	}
	r = check_document_count(h, DOC_DEVICE_POLICY, policies, e);
	return r < 0 ? r : check_document_count(h, DOC_VP_CONFIG, configs, e);
}

static bool is_image_needed(const struct document_set *h, const char *id)
{
	for (unsigned int i = 0; i < h->n; i++) {
		const struct doc *d = h->doc[i]->doc;

		if (d->head.type == DOC_VP_CONFIG &&
		    strcmp(doc_as_vp_config(d)->image, id) == 0)
			return true;
	}
	return false;
}

static int check_config_images(const struct document_set *h, struct err *e)
{
	for (unsigned int i = 0; i < h->n; i++) {
		const struct doc *d = h->doc[i]->doc;
		int r = 0;

		if (d->head.type == DOC_VP_CONFIG) {
			const struct doc_vp_config *c = doc_as_vp_config(d);

			r = check_one_document(h, DOC_IMAGE, c->image,
					       c->image_min_version, e);
		} else if (d->head.type == DOC_IMAGE &&
			   !is_image_needed(h, d->head.id)) {
			r = err_reason(e, REASON_INCOMPLETE,
				       "the set has image '%s', which no "
				       "config needs",
				       d->head.id);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int document_set_check_complete(const struct document_set *h, const char *group,
				uint32_t min, struct err *e)
{
	int r = check_one_document(h, DOC_GROUP, group, min, e);

	if (r == 0)
		r = check_document_count(h, DOC_GROUP, 1, e);
	if (r == 0)
		r = check_group_documents(h, document_set_find_group(h), e);
	return r < 0 ? r : check_config_images(h, e);
}

const struct doc_layer *document_set_next_layer(const struct document_set *h,
						struct document_set_walk *w)
{
	for (; w->doc < h->n; w->doc++, w->next = 0) {
		const struct doc *d = h->doc[w->doc]->doc;

		if (d->head.type != DOC_IMAGE)
			continue;
		w->image = doc_as_image(d);
		if (w->next < w->image->n_layers)
			return &w->image->layer[w->next++];
	}
	return NULL;
}

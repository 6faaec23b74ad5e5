/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document_set.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <string.h>

static void unref(struct held_doc *d)
{
	if (--d->refs > 0)
		return;
	doc_free(d->doc);
	free(d);
}

void held_fini(struct held *h)
{
	for (unsigned int i = 0; i < h->n; i++)
		unref(h->doc[i]);
	*h = (struct held){ 0 };
}

int held_share(struct held *h, struct held_doc *d, struct err *e)
{
	if (h->n == HELD_MAX)
		return err_set(e, ENOSPC, "more than %d documents", HELD_MAX);
	d->refs++;
	h->doc[h->n++] = d;
	if (d->doc->head.type == DOC_DEVICE_POLICY)
		h->policy[h->n_policies++] = doc_as_device_policy(d->doc);
	return 0;
}

int held_take(struct held *h, struct doc *doc, struct err *e)
{
	struct held_doc *d = calloc(1, sizeof(*d));
	int r;

	if (!d) {
		doc_free(doc);
		return err_oom(e, "hold document");
	}
	d->doc = doc;
	d->refs = 1;
	r = held_share(h, d, e);
	unref(d);
	return r;
}

struct held_doc *held_by_digest(const struct held *h,
				const uint8_t digest[HASH_SIZE])
{
	for (unsigned int i = 0; i < h->n; i++)
		if (memcmp(h->doc[i]->doc->head.digest, digest, HASH_SIZE) == 0)
			return h->doc[i];
	return NULL;
}

const struct doc *held_find(const struct held *h, enum doc_type type,
			    const char *id)
{
	for (unsigned int i = 0; i < h->n; i++) {
		const struct doc *d = h->doc[i]->doc;

		if (d->head.type == type && (!id || !strcmp(d->head.id, id)))
			return d;
	}
	return NULL;
}

const struct doc_vp_config *held_config(const struct held *h, const char *vp)
{
	const struct doc *d = held_find(h, DOC_VP_CONFIG, vp);

	return d ? doc_as_vp_config(d) : NULL;
}

const struct doc_image *held_image(const struct held *h, const char *id)
{
	const struct doc *d = held_find(h, DOC_IMAGE, id);

	return d ? doc_as_image(d) : NULL;
}

const struct doc_group *held_group(const struct held *h)
{
	const struct doc *d = held_find(h, DOC_GROUP, NULL);

	return d ? doc_as_group(d) : NULL;
}

/* ---- whole sets */
static unsigned int count_type(const struct held *h, enum doc_type type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < h->n; i++)
		n += h->doc[i]->doc->head.type == type;
	return n;
}

static int check_one(const struct held *h, enum doc_type type, const char *id,
		     uint32_t min, struct err *e)
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

static int check_count(const struct held *h, enum doc_type type,
		       unsigned int want, struct err *e)
{
	unsigned int n = count_type(h, type);

	if (n == want)
		return 0;
	return err_reason(e, REASON_INCOMPLETE,
			  "the set has %u of %s where %u belong", n,
			  doc_type_name(type), want);
}

/* Exactly what the group names. */
static int check_named(const struct held *h, const struct doc_group *g,
		       struct err *e)
{
	unsigned int policies = 0, configs = 0;
	int r;

	for (unsigned int i = 0; i < g->n_refs; i++) {
		const struct doc_ref *ref = &g->ref[i];

		r = check_one(h, ref->type, ref->id, ref->min_version, e);
		if (r < 0)
			return r;
		policies += ref->type == DOC_DEVICE_POLICY;
		configs += ref->type == DOC_VP_CONFIG;
	}
	r = check_count(h, DOC_DEVICE_POLICY, policies, e);
	return r < 0 ? r : check_count(h, DOC_VP_CONFIG, configs, e);
}

static bool needs_image(const struct held *h, const char *id)
{
	for (unsigned int i = 0; i < h->n; i++) {
		const struct doc *d = h->doc[i]->doc;

		if (d->head.type == DOC_VP_CONFIG &&
		    strcmp(doc_as_vp_config(d)->image, id) == 0)
			return true;
	}
	return false;
}

static int check_images(const struct held *h, struct err *e)
{
	for (unsigned int i = 0; i < h->n; i++) {
		const struct doc *d = h->doc[i]->doc;
		int r = 0;

		if (d->head.type == DOC_VP_CONFIG) {
			const struct doc_vp_config *c = doc_as_vp_config(d);

			r = check_one(h, DOC_IMAGE, c->image,
				      c->image_min_version, e);
		} else if (d->head.type == DOC_IMAGE &&
			   !needs_image(h, d->head.id)) {
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

int held_check(const struct held *h, const char *group, uint32_t min,
	       struct err *e)
{
	int r = check_one(h, DOC_GROUP, group, min, e);

	if (r == 0)
		r = check_count(h, DOC_GROUP, 1, e);
	if (r == 0)
		r = check_named(h, held_group(h), e);
	return r < 0 ? r : check_images(h, e);
}

const struct doc_layer *held_next_layer(const struct held *h,
					struct held_walk *w)
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

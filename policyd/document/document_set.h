/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of parsed documents: those in force, or those that a staged snapshot
 * has so far. Documents that both sets name are shared, so they are counted.
 */
#ifndef POLICYD_DOCUMENT_DOCUMENT_SET_H
#define POLICYD_DOCUMENT_DOCUMENT_SET_H

#include "lib/document/doc.h"

struct err;

#define DOCUMENT_SET_MAX                                                       \
	(4 * DOC_VPS_MAX) /* group, policies, configs, images */

struct document_set_entry {
	unsigned int refs;
	struct doc *doc;
};

struct document_set {
	/* Documents are missing that were in force: nothing is given but what
	 * a VP is seen by. */
	bool is_partial;
	unsigned int n;
	struct document_set_entry *doc[DOCUMENT_SET_MAX];
	/* Borrowed from doc[]: what the mode decision takes. */
	unsigned int n_policies;
	const struct doc_device_policy *policy[DOCUMENT_SET_MAX];
};

void document_set_fini(struct document_set *h);

/* Takes the document over, also when it fails. -ENOSPC, -ENOMEM. */
int document_set_add(struct document_set *h, struct doc *d, struct err *e);
/* Adds one that another set holds. */
int document_set_add_shared(struct document_set *h,
			    struct document_set_entry *d, struct err *e);

/* NULL: there is none. */
struct document_set_entry *
document_set_find_by_digest(const struct document_set *h,
			    const uint8_t digest[HASH_SIZE]);
const struct doc_vp_config *
document_set_find_config(const struct document_set *h, const char *vp);
const struct doc_image *document_set_find_image(const struct document_set *h,
						const char *id);
const struct doc_group *document_set_find_group(const struct document_set *h);

/*
 * Is this, by the documents' own words, one whole set: one group document, that
 * of `group` in version min or above, exactly what it names and the images that
 * the configs need, each at its minimum or above and once? err.incomplete.
 */
int document_set_check_complete(const struct document_set *h, const char *group,
				uint32_t min, struct err *e);

/*
 * A walk over the layers of all images, which begins zeroed: the next layer,
 * which is one of w->image's; NULL: that was all. Borrowed.
 */
struct document_set_walk {
	const struct doc_image *image;
	unsigned int doc, next;
};
const struct doc_layer *document_set_next_layer(const struct document_set *h,
						struct document_set_walk *w);

#endif

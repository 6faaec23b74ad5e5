/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of parsed documents: those in force, or those that a staged snapshot
 * has so far. Documents that both sets name are shared, so they are counted.
 */
#ifndef POLICYD_DOCUMENT_SET_H
#define POLICYD_DOCUMENT_SET_H

#include "lib/doc.h"

struct err;

#define HELD_MAX (4 * DOC_VPS_MAX) /* group, policies, configs, images */

struct held_doc {
	unsigned int refs;
	struct doc *doc;
};

struct held {
	/* Documents are missing that were in force: nothing is given but what
	 * a VP is seen by. */
	bool is_partial;
	unsigned int n;
	struct held_doc *doc[HELD_MAX];
	/* Borrowed from doc[]: what the mode decision takes. */
	unsigned int n_policies;
	const struct doc_device_policy *policy[HELD_MAX];
};

void held_fini(struct held *h);

/* Takes the document over, also when it fails. -ENOSPC, -ENOMEM. */
int held_take(struct held *h, struct doc *d, struct err *e);
/* Adds one that another set holds. */
int held_share(struct held *h, struct held_doc *d, struct err *e);

/* NULL: there is none. */
struct held_doc *held_by_digest(const struct held *h,
				const uint8_t digest[HASH_SIZE]);
const struct doc *held_find(const struct held *h, enum doc_type type,
			    const char *id);
const struct doc_vp_config *held_config(const struct held *h, const char *vp);
const struct doc_image *held_image(const struct held *h, const char *id);
const struct doc_group *held_group(const struct held *h);

/*
 * Is this, by the documents' own words, one whole set: one group document, that
 * of `group` in version min or above, exactly what it names and the images that
 * the configs need, each at its minimum or above and once? err.incomplete.
 */
int held_check(const struct held *h, const char *group, uint32_t min,
	       struct err *e);

/*
 * A walk over the layers of all images, which begins zeroed: the next layer,
 * which is one of w->image's; NULL: that was all. Borrowed.
 */
struct held_walk {
	const struct doc_image *image;
	unsigned int doc, next;
};
const struct doc_layer *held_next_layer(const struct held *h,
					struct held_walk *w);

#endif

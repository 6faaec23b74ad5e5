/* SPDX-License-Identifier: Apache-2.0 */
/* Groups, and the documents that move a device to one. */
#include "lib/auto.h"
#include "lib/doc.h"
#include "lib/doc_read.h"
#include "lib/encoding.h"
#include "lib/xml.h"

#include <string.h>

static const struct docread ref_table[] = {
	DOCREAD("id", ID, struct doc_ref, id),
	DOCREAD("min-version", NUMBER, struct doc_ref, min_version, .min = 1,
		.max = INT32_MAX),
	{ NULL },
};

static bool has_ref(const struct doc_group *g, const struct doc_ref *ref)
{
	for (unsigned int i = 0; i < g->n_refs; i++)
		if (g->ref[i].type == ref->type &&
		    strcmp(g->ref[i].id, ref->id) == 0)
			return true;
	return false;
}

int docgroup_read(const struct xml_node *n, struct doc *ret, struct err *e)
{
	struct doc_group *g = (struct doc_group *)ret;

	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c)) {
		struct doc_ref ref = {
			.type = docread_is(c, "policy") ? DOC_DEVICE_POLICY
							: DOC_VP_CONFIG,
		};
		int r = docread_attributes(c, ref_table, &ref, e);

		if (r < 0)
			return r;
		if (g->n_refs == ARRAY_SIZE(g->ref))
			return docread_fault(c, e, "more than %zu references",
					     ARRAY_SIZE(g->ref));
		if (has_ref(g, &ref))
			return docread_fault(c, e, "'%s' stands twice", ref.id);
		g->ref[g->n_refs++] = ref;
	}
	return 0;
}

static const struct docread membership_table[] = {
	DOCREAD("device", ID, struct doc_membership, device),
	DOCREAD("epoch", TEXT, struct doc_membership, epoch),
	DOCREAD("group", ID, struct doc_membership, group),
	DOCREAD("min-version", NUMBER, struct doc_membership, min_version,
		.min = 1, .max = INT32_MAX),
	DOCREAD("after", TEXT, struct doc_membership, after, .optional = true),
	{ NULL },
};

int docgroup_read_membership(const struct xml_node *n, struct doc *ret,
			     struct err *e)
{
	struct doc_membership *m = (struct doc_membership *)ret;
	uint8_t digest[HASH_SIZE];
	int r = docread_attributes(n, membership_table, m, e);

	if (r == 0 && *m->after && text_undigest(m->after, digest) < 0)
		return docread_fault(n, e, "'after' is no digest");
	return r;
}

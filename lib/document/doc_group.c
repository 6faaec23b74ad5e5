/* SPDX-License-Identifier: Apache-2.0 */
/* Groups, and the documents that move a device to one. */
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/document/doc_read.h"
#include "lib/document/xml.h"
#include "lib/encoding.h"

#include <string.h>

static const struct doc_read_attribute ref_table[] = {
	DOC_READ("id", ID, struct doc_ref, id),
	DOC_READ("min-version", NUMBER, struct doc_ref, min_version, .min = 1,
		 .max = INT32_MAX),
	{ NULL },
};

static bool has_group_reference(const struct doc_group *g,
				const struct doc_ref *ref)
{
	for (unsigned int i = 0; i < g->n_refs; i++)
		if (g->ref[i].type == ref->type &&
		    strcmp(g->ref[i].id, ref->id) == 0)
			return true;
	return false;
}

int doc_group_read(const struct xml_node *n, struct doc *ret, struct err *e)
{
	struct doc_group *g = (struct doc_group *)ret;

	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c)) {
		struct doc_ref ref = {
			.type = doc_read_is_element(c, "policy")
					? DOC_DEVICE_POLICY
					: DOC_VP_CONFIG,
		};
		int r = doc_read_attributes(c, ref_table, &ref, e);

		if (r < 0)
			return r;
		if (g->n_refs == ARRAY_SIZE(g->ref))
			return doc_read_error(c, e, "more than %zu references",
					      ARRAY_SIZE(g->ref));
		if (has_group_reference(g, &ref))
			return doc_read_error(c, e, "duplicate '%s'", ref.id);
		g->ref[g->n_refs++] = ref;
	}
	return 0;
}

static const struct doc_read_attribute membership_table[] = {
	DOC_READ("device", ID, struct doc_membership, device),
	DOC_READ("epoch", TEXT, struct doc_membership, epoch),
	DOC_READ("group", ID, struct doc_membership, group),
	DOC_READ("min-version", NUMBER, struct doc_membership, min_version,
		 .min = 1, .max = INT32_MAX),
	DOC_READ("after", TEXT, struct doc_membership, after, .optional = true),
	{ NULL },
};

int doc_group_read_membership(const struct xml_node *n, struct doc *ret,
			      struct err *e)
{
	struct doc_membership *m = (struct doc_membership *)ret;
	uint8_t digest[HASH_SIZE];
	int r = doc_read_attributes(n, membership_table, m, e);

	if (r == 0 && *m->after && encoding_parse_digest(m->after, digest) < 0)
		return doc_read_error(n, e, "'after' is not a digest");
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/doc.h"

#include "lib/auto.h"
#include "lib/document/doc_read.h"
#include "lib/document/envelope.h"
#include "lib/document/xml.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <assert.h>
#include <string.h>

#define SECONDS_PER_DAY 86400
#define VERSION_MAX INT32_MAX

/* Each type of document: what it is called, how it is read and ended. */
static const struct {
	const char *name, *payload_type;
	size_t size;
	int (*read)(const struct xml_node *n, struct doc *ret, struct err *e);
	void (*fini)(struct doc *d); /* NULL: it owns nothing */
	bool is_short_lived;
} types[DOC_TYPE_COUNT] = {
#define DOC_TYPE(sym, name_, type, ...)                                        \
	[DOC_##sym] = { .name = name_,                                         \
			.payload_type = ENVELOPE_TYPE_XML(name_),              \
			.size = sizeof(struct type),                           \
			__VA_ARGS__ }
	DOC_TYPE(ROOT, "root", doc_root, .read = doc_root_read,
		 .fini = doc_root_fini),
	DOC_TYPE(GROUP, "group", doc_group, .read = doc_group_read,
		 .is_short_lived = true),
	DOC_TYPE(MEMBERSHIP, "membership", doc_membership,
		 .read = doc_group_read_membership, .is_short_lived = true),
	DOC_TYPE(VP_CONFIG, "vp-config", doc_vp_config, .read = doc_config_read,
		 .fini = doc_config_fini),
	DOC_TYPE(DEVICE_POLICY, "device-policy", doc_device_policy,
		 .read = doc_policy_read, .fini = doc_policy_fini),
	DOC_TYPE(IMAGE, "image", doc_image, .read = doc_image_read),
	DOC_TYPE(COMMAND, "command", doc_command, .read = doc_command_read,
		 .fini = doc_command_fini, .is_short_lived = true),
#undef DOC_TYPE
};

const char *doc_type_name(enum doc_type t)
{
	return types[t].name;
}

const char *doc_payload_type(enum doc_type t)
{
	return types[t].payload_type;
}

enum doc_type doc_type_from_name(const char *name)
{
	for (enum doc_type t = DOC_NONE + 1; t < DOC_TYPE_COUNT; t++)
		if (strcmp(types[t].name, name) == 0)
			return t;
	return DOC_NONE;
}

enum doc_type doc_type_from_payload_type(const char *payload_type)
{
	for (enum doc_type t = DOC_NONE + 1; t < DOC_TYPE_COUNT; t++)
		if (strcmp(types[t].payload_type, payload_type) == 0)
			return t;
	return DOC_NONE;
}

static const struct doc_read_attribute head_table[] = {
	DOC_READ("org", ID, struct doc_head, org),
	DOC_READ("id", ID, struct doc_head, id),
	DOC_READ("version", NUMBER, struct doc_head, version, .min = 1,
		 .max = VERSION_MAX),
	DOC_READ("issued", TIME, struct doc_head, issued),
	DOC_READ("expires", TIME, struct doc_head, expires),
	{ NULL },
};

static int read_document_head(const struct xml_node *n, struct doc_head *head,
			      struct err *e)
{
	int r = doc_read_attributes(n, head_table, head, e);

	if (r < 0)
		return r;
	if (head->expires <= head->issued)
		return doc_read_error(n, e, "expires is not after issued");
	if (types[head->type].is_short_lived &&
	    head->expires - head->issued > DOC_LIFE_MAX_DAYS * SECONDS_PER_DAY)
		return doc_read_error(n, e, "lives longer than %d days",
				      DOC_LIFE_MAX_DAYS);
	return 0;
}

int doc_parse(enum doc_type t, const void *xml, size_t len, struct doc **ret,
	      struct err *e)
{
	AUTO(xml_freep) struct xml *x = NULL;
	AUTO(doc_freep) struct doc *d = NULL;
	int r;

	assert(t > DOC_NONE && t < DOC_TYPE_COUNT);
	r = xml_parse(types[t].name, xml, len, &x, e);
	if (r < 0)
		return r;
	d = calloc(1, types[t].size);
	if (!d)
		return err_oom(e, "read a document");
	d->head.type = t;
	r = read_document_head(xml_root(x), &d->head, e);
	if (r < 0)
		return r;
	r = types[t].read(xml_root(x), d, e);
	if (r < 0)
		return r;
	hash_sha256(xml, len, d->head.digest);
	*ret = steal(d);
	return 0;
}

void doc_free(struct doc *d)
{
	if (d && types[d->head.type].fini)
		types[d->head.type].fini(d);
	free(d);
}

#define DOC_AS(name, sym)                                                      \
	const struct doc_##name *doc_as_##name(const struct doc *d)            \
	{                                                                      \
		assert(d->head.type == DOC_##sym);                             \
		return (const struct doc_##name *)d;                           \
	}
DOC_AS(root, ROOT)
DOC_AS(group, GROUP)
DOC_AS(membership, MEMBERSHIP)
DOC_AS(command, COMMAND)
DOC_AS(vp_config, VP_CONFIG)
DOC_AS(device_policy, DEVICE_POLICY)
DOC_AS(image, IMAGE)
#undef DOC_AS

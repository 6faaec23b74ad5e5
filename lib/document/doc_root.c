/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/document/doc_read.h"
#include "lib/document/xml.h"
#include "lib/err.h"

#include <string.h>

static const char *const role_names[DOC_ROLE_COUNT + 1] = {
	[DOC_ROLE_ROOT] = "root",	[DOC_ROLE_POLICY] = "policy",
	[DOC_ROLE_IMAGE] = "image",	[DOC_ROLE_COMMAND] = "command",
	[DOC_ROLE_DESTROY] = "destroy", [DOC_ROLE_DIRECTOR] = "director",
};

const char *doc_role_name(enum doc_role r)
{
	return role_names[r];
}

static int read_spki_attribute(const struct xml_node *n, struct key **ret,
			       struct err *e)
{
	const char *text = xml_attribute(n, "spki");
	auto_free void *der = NULL;
	struct err why;
	size_t len;
	int r;

	if (!text)
		return doc_read_error(n, e, "no attribute 'spki'");
	r = doc_read_base64(n, text, &der, &len, e);
	if (r < 0)
		return r;
	r = key_from_spki(der, len, ret, &why);
	if (r == -ENOMEM)
		return err_oom(e, "read a key");
	return r < 0 ? doc_read_error(n, e, "%s", why.text) : 0;
}

/* The index of the key with that id; n_keys: there is none. */
static unsigned int find_root_key(const struct doc_root *root, const char *id)
{
	unsigned int i = 0;

	while (i < root->n_keys && strcmp(key_id(root->key[i].key), id) != 0)
		i++;
	return i;
}

static const struct doc_read_attribute key_table[] = {
	DOC_READ("name", TEXT, struct doc_key, name),
	{ NULL },
};

static int read_root_key(const struct xml_node *n, struct doc_root *root,
			 struct err *e)
{
	const char *id = xml_attribute(n, "id");
	struct doc_key *k = &root->key[root->n_keys];
	int r;

	if (root->n_keys == DOC_KEYS_MAX)
		return doc_read_error(n, e, "more than %d keys", DOC_KEYS_MAX);
	r = doc_read_attributes(n, key_table, k, e);
	if (r < 0)
		return r;
	r = read_spki_attribute(n, &k->key, e);
	if (r < 0)
		return r;
	/* From here doc_root_fini() frees it. */
	root->n_keys++;
	if (!id || strcmp(id, key_id(k->key)) != 0)
		return doc_read_error(n, e,
				      "the id is not the SHA-256 of spki");
	if (find_root_key(root, id) != root->n_keys - 1)
		return doc_read_error(n, e, "duplicate key");
	return 0;
}

struct role_attributes {
	enum doc_role role;
	uint32_t threshold;
};

static const struct doc_read_attribute role_table[] = {
	DOC_READ("name", WORD, struct role_attributes, role,
		 .words = role_names),
	DOC_READ("threshold", NUMBER, struct role_attributes, threshold,
		 .min = 1, .max = DOC_THRESHOLD_MAX),
	{ NULL },
};

static int read_root_role(const struct xml_node *n, struct doc_root *root,
			  struct err *e)
{
	struct role_attributes a;
	uint64_t members = 0;
	int r;

	r = doc_read_attributes(n, role_table, &a, e);
	if (r < 0)
		return r;
	if (root->role[a.role].threshold > 0)
		return doc_read_error(n, e, "duplicate role '%s'",
				      role_names[a.role]);
	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c)) {
		unsigned int i = find_root_key(root, xml_text(c));

		if (i == root->n_keys)
			return doc_read_error(c, e, "the root has no such key");
		if (members >> i & 1)
			return doc_read_error(c, e, "duplicate key");
		members |= UINT64_C(1) << i;
	}
	if (a.threshold > (unsigned int)__builtin_popcountll(members))
		return doc_read_error(
			n, e, "threshold %u is more than its %d keys",
			a.threshold, __builtin_popcountll(members));
	root->role[a.role].threshold = a.threshold;
	root->role[a.role].members = members;
	return 0;
}

static int read_ca_digest(const struct xml_node *n, struct doc_root *root,
			  struct err *e)
{
	static const struct doc_read_attribute table[] = {
		{ .name = "sha256", .kind = DOC_READ_HEX, .size = HASH_SIZE },
		{ NULL },
	};

	if (root->n_cas == DOC_CAS_MAX)
		return doc_read_error(n, e, "more than %d", DOC_CAS_MAX);
	return doc_read_attributes(n, table, root->ca[root->n_cas++], e);
}

static int read_recovery_key(const struct xml_node *n, struct doc_root *root,
			     struct err *e)
{
	if (root->recovery)
		return doc_read_error(n, e, "is a duplicate");
	return read_spki_attribute(n, &root->recovery, e);
}

static const struct {
	const char *name;
	int (*read)(const struct xml_node *n, struct doc_root *root,
		    struct err *e);
} children[] = {
	{ "key", read_root_key },
	{ "role", read_root_role },
	{ "ca", read_ca_digest },
	{ "recovery", read_recovery_key },
};

int doc_root_read(const struct xml_node *n, struct doc *ret, struct err *e)
{
	static const enum doc_role needed[] = { DOC_ROLE_ROOT,
						DOC_ROLE_DIRECTOR };
	struct doc_root *root = (struct doc_root *)ret;

	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c))
		for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
			int r = doc_read_is_element(c, children[i].name)
					? children[i].read(c, root, e)
					: 0;

			if (r < 0)
				return r;
		}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (root->role[needed[i]].threshold == 0)
			return doc_read_error(n, e, "no role '%s'",
					      role_names[needed[i]]);
	return 0;
}

void doc_root_fini(struct doc *d)
{
	struct doc_root *root = (struct doc_root *)d;

	for (unsigned int i = 0; i < root->n_keys; i++)
		key_free(root->key[i].key);
	key_free(root->recovery);
}

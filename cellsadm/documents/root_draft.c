/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/documents/root_draft.h"

#include "cellsadm/adm.h"
#include "cellsadm/documents/xml_writer.h"
#include "cellsadm/trust/keyring.h"
#include "lib/auto.h"
#include "lib/crypto/x509.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <string.h>

#define PEM_MAX (64 * 1024)

void root_draft_fini(struct root_draft *d)
{
	for (unsigned int i = 0; i < d->n_keys; i++)
		key_free(d->key[i].key);
	key_free(d->recovery);
	memset(d, 0, sizeof(*d));
}

static int copy_public_key(const struct key *k, struct key **ret, struct err *e)
{
	size_t len;
	const void *spki = key_spki(k, &len);

	return key_from_spki(spki, len, ret, e);
}

int root_draft_load_previous(struct root_draft *d, const struct doc_root *old,
			     struct err *e)
{
	int r = 0;

	snprintf(d->org, sizeof(d->org), "%s", old->head.org);
	d->version = old->head.version + 1;
	for (unsigned int i = 0; r >= 0 && i < old->n_keys; i++) {
		r = copy_public_key(old->key[i].key, &d->key[i].key, e);
		if (r < 0)
			return r;
		snprintf(d->key[i].name, DOC_ID_SIZE, "%s", old->key[i].name);
		d->n_keys++;
	}
	for (unsigned int i = 0; i < DOC_ROLE_COUNT; i++) {
		d->role[i].threshold = old->role[i].threshold;
		d->role[i].members = old->role[i].members;
	}
	memcpy(d->ca, old->ca, sizeof(d->ca));
	d->n_cas = old->n_cas;
	return old->recovery ? copy_public_key(old->recovery, &d->recovery, e)
			     : 0;
}

static int find_key_index(const struct root_draft *d, const char *name,
			  size_t len)
{
	for (unsigned int i = 0; i < d->n_keys; i++)
		if (strlen(d->key[i].name) == len &&
		    memcmp(d->key[i].name, name, len) == 0)
			return (int)i;
	return -1;
}

static int set_draft_key(struct root_draft *d, const char *name, size_t len,
			 struct key **k, struct err *e)
{
	int i = find_key_index(d, name, len);

	if (len == 0 || len >= DOC_ID_SIZE)
		return err_set(e, EINVAL,
			       "key name '%.*s' is too long or empty", (int)len,
			       name);
	if (i < 0 && d->n_keys == DOC_KEYS_MAX)
		return err_set(e, EINVAL, "a root has at most %d keys",
			       DOC_KEYS_MAX);
	if (i < 0) {
		i = (int)d->n_keys++;
		memcpy(d->key[i].name, name, len);
		d->key[i].name[len] = '\0';
	}
	key_free(d->key[i].key);
	d->key[i].key = steal(*k);
	return 0;
}

int root_draft_add_key_file(struct root_draft *d, const struct adm *a,
			    const char *spec, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	const char *equal = strchr(spec, '=');
	int r;

	if (!equal)
		return err_usage(e, "--key %s: not NAME=FILE", spec);
	r = keyring_load_public(a, equal + 1, &k, NULL, e);
	if (r < 0)
		return r;
	return set_draft_key(d, spec, (size_t)(equal - spec), &k, e);
}

int root_draft_add_key(struct root_draft *d, const char *name, const void *spki,
		       size_t len, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	int r = key_from_spki(spki, len, &k, e);

	return r < 0 ? r : set_draft_key(d, name, strlen(name), &k, e);
}

static uint64_t remove_member_bit(uint64_t bits, unsigned int i)
{
	uint64_t below = (UINT64_C(1) << i) - 1;

	return (bits & below) | ((bits >> 1) & ~below);
}

int root_draft_remove_key(struct root_draft *d, const char *name, struct err *e)
{
	int found = find_key_index(d, name, strlen(name));
	unsigned int i = (unsigned int)found;

	if (found < 0)
		return err_set(e, ENOENT, "the root has no key '%s'", name);
	key_free(d->key[i].key);
	memmove(&d->key[i], &d->key[i + 1],
		(d->n_keys - i - 1) * sizeof(*d->key));
	d->n_keys--;
	for (unsigned int role = 0; role < DOC_ROLE_COUNT; role++) {
		uint64_t *members = &d->role[role].members;

		*members = remove_member_bit(*members, i);
		if (d->role[role].threshold >
		    (unsigned int)__builtin_popcountll(*members))
			return err_set(
				e, EINVAL,
				"without '%s' role '%s' has too few keys "
				"for its threshold: change it with "
				"--role",
				name, doc_role_name((enum doc_role)role));
	}
	return 0;
}

static int find_role_index(const char *name, size_t len, unsigned int *ret,
			   struct err *e)
{
	for (unsigned int i = 0; i < DOC_ROLE_COUNT; i++) {
		const char *known = doc_role_name((enum doc_role)i);

		if (strlen(known) == len && memcmp(known, name, len) == 0) {
			*ret = i;
			return 0;
		}
	}
	return err_set(e, EINVAL, "there is no role '%.*s'", (int)len, name);
}

/* What a key is called that was not given a name: its own, else its file's. */
static int set_default_key_name(const char *file, char **own, struct err *e)
{
	const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;

	if (**own)
		return 0;
	free(*own);
	*own = strndup(base, strcspn(base, "."));
	return *own ? 0 : err_oom(e, file);
}

/* A kept key, or a file. Returns its place. */
static int add_unnamed_key(struct root_draft *d, const struct adm *a,
			   const char *file, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *own = NULL;
	int r = keyring_load_public(a, file, &k, &own, e);

	if (r < 0)
		return r;
	r = set_default_key_name(file, &own, e);
	if (r < 0)
		return r;
	r = set_draft_key(d, own, strlen(own), &k, e);
	return r < 0 ? r : find_key_index(d, own, strlen(own));
}

static int find_or_add_key(struct root_draft *d, const struct adm *a,
			   const char *name, size_t len, struct err *e)
{
	auto_free char *file = strndup(name, len);
	int i = find_key_index(d, name, len);

	if (!file)
		return err_oom(e, "add a key");
	return i >= 0 ? i : add_unnamed_key(d, a, file, e);
}

int root_draft_set_role(struct root_draft *d, const struct adm *a,
			const char *spec, struct err *e)
{
	const char *equal = strchr(spec, '='), *p, *colon;
	unsigned int role;
	uint64_t members = 0, threshold = 1;
	int r;

	if (!equal)
		return err_usage(e, "--role %s: not ROLE=NAME,...:N", spec);
	r = find_role_index(spec, (size_t)(equal - spec), &role, e);
	if (r < 0)
		return r;
	colon = strrchr(equal, ':');
	if (colon &&
	    encoding_parse_number(colon + 1, DOC_THRESHOLD_MAX, &threshold) < 0)
		return err_usage(e, "--role %s: bad threshold", spec);
	for (p = equal + 1; *p && *p != ':';) {
		size_t len = strcspn(p, ",:");
		int i = find_or_add_key(d, a, p, len, e);

		if (i < 0)
			return i;
		members |= UINT64_C(1) << i;
		p += len + (p[len] == ',');
	}
	d->role[role].threshold = (unsigned int)threshold;
	d->role[role].members = members;
	return 0;
}

int root_draft_grant_role(struct root_draft *d, const char *role,
			  const char *name, struct err *e)
{
	unsigned int i;
	int r = find_role_index(role, strlen(role), &i, e), k;

	if (r < 0)
		return r;
	k = find_key_index(d, name, strlen(name));
	if (k < 0)
		return err_set(e, ENOENT, "the root has no key '%s'", name);
	d->role[i].members |= UINT64_C(1) << k;
	if (d->role[i].threshold == 0)
		d->role[i].threshold = 1;
	return 0;
}

int root_draft_update_ca(struct root_draft *d, const char *spec, bool remove,
			 struct err *e)
{
	auto_free char *pem = NULL;
	uint8_t digest[HASH_SIZE];
	unsigned int i = 0;
	size_t len;
	int r;

	if (encoding_parse_digest(spec, digest) < 0) {
		r = io_read_file(spec, PEM_MAX, &pem, &len, e);
		if (r >= 0)
			r = x509_digest(pem, digest, e);
		if (r < 0)
			return r;
	}
	while (i < d->n_cas && memcmp(d->ca[i], digest, HASH_SIZE) != 0)
		i++;
	if (remove && i == d->n_cas)
		return err_set(e, ENOENT, "the root has no CA %s", spec);
	if (!remove && i == DOC_CAS_MAX)
		return err_set(e, EINVAL, "a root has at most %d CAs",
			       DOC_CAS_MAX);
	if (remove)
		memmove(d->ca[i], d->ca[i + 1],
			(--d->n_cas - i) * sizeof(*d->ca));
	else if (i == d->n_cas)
		memcpy(d->ca[d->n_cas++], digest, HASH_SIZE);
	return 0;
}

int root_draft_set_recovery(struct root_draft *d, const struct adm *a,
			    const char *name, struct err *e)
{
	key_free(steal(d->recovery));
	return keyring_load_public(a, name, &d->recovery, NULL, e);
}

static void write_key_element(struct xml_writer *x, const struct doc_key *k)
{
	size_t len;
	const void *spki = key_spki(k->key, &len);

	xml_writer_begin_element(x, "key");
	xml_writer_add_attribute(x, "id", "%s", key_id(k->key));
	xml_writer_add_attribute(x, "name", "%s", k->name);
	xml_writer_add_base64(x, "spki", spki, len);
	xml_writer_end_element(x);
}

static void write_role_element(struct xml_writer *x, const struct root_draft *d,
			       unsigned int role)
{
	if (d->role[role].threshold == 0)
		return;
	xml_writer_begin_element(x, "role");
	xml_writer_add_attribute(x, "name", "%s",
				 doc_role_name((enum doc_role)role));
	xml_writer_add_attribute(x, "threshold", "%u", d->role[role].threshold);
	for (unsigned int i = 0; i < d->n_keys; i++) {
		if (!(d->role[role].members >> i & 1))
			continue;
		xml_writer_begin_element(x, "keyid");
		xml_writer_add_text(x, key_id(d->key[i].key));
		xml_writer_end_element(x);
	}
	xml_writer_end_element(x);
}

static void write_cas_and_recovery(struct xml_writer *x,
				   const struct root_draft *d)
{
	char hex[2 * HASH_SIZE + 1];
	const void *spki;
	size_t len;

	for (unsigned int i = 0; i < d->n_cas; i++) {
		encoding_to_hex(d->ca[i], HASH_SIZE, hex);
		xml_writer_begin_element(x, "ca");
		xml_writer_add_attribute(x, "sha256", "%s", hex);
		xml_writer_end_element(x);
	}
	if (!d->recovery)
		return;
	spki = key_spki(d->recovery, &len);
	xml_writer_begin_element(x, "recovery");
	xml_writer_add_base64(x, "spki", spki, len);
	xml_writer_end_element(x);
}

int root_draft_build_xml(const struct root_draft *d, char **ret, struct err *e)
{
	const struct xml_writer_head head = {
		"root", d->org, "root", d->version, d->issued, d->expires
	};
	AUTO(xml_writer_freep) struct xml_writer *x = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_free char *xml = NULL;
	size_t len;
	int r = xml_writer_new(&x, e);

	if (r < 0)
		return r;
	xml_writer_begin_document(x, &head);
	for (unsigned int i = 0; i < d->n_keys; i++)
		write_key_element(x, &d->key[i]);
	for (unsigned int i = 0; i < DOC_ROLE_COUNT; i++)
		write_role_element(x, d, i);
	write_cas_and_recovery(x, d);
	r = xml_writer_finish(x, &xml, &len, e);
	if (r >= 0)
		r = doc_parse(DOC_ROOT, xml, len, &doc, e);
	if (r < 0)
		return r;
	*ret = steal(xml);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/revision.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/password_crypto.h"

#include <errno.h>
#include <string.h>

#define BLANK " \t\r\n"
#define SALT_SIZE 16

/* The start tag of the first such element, outside comments. */
static char *find_element(char *text, const char *element)
{
	size_t len = strlen(element);

	while ((text = strchr(text, '<'))) {
		if (strncmp(text, "<!--", 4) == 0) {
			text = strstr(text + 4, "-->");
			if (!text)
				return NULL;
			continue;
		}
		if (strncmp(text + 1, element, len) == 0 &&
		    strchr(BLANK "/>", text[1 + len]))
			return text;
		text++;
	}
	return NULL;
}

/* The attribute's value in the tag; *ret_len is its length. */
static char *find_value(char *tag, const char *attribute, size_t *ret_len)
{
	size_t len = strlen(attribute);

	tag += strcspn(tag, BLANK "/>");
	for (;;) {
		char *name = tag + strspn(tag, BLANK), *value, *end;
		size_t n = strcspn(name, BLANK "=/>");

		value = name + n;
		value += strspn(value, BLANK);
		if (n == 0 || *value != '=')
			return NULL;
		value++;
		value += strspn(value, BLANK);
		if (*value != '"' && *value != '\'')
			return NULL;
		end = strchr(value + 1, *value);
		if (!end)
			return NULL;
		if (n == len && memcmp(name, attribute, n) == 0) {
			*ret_len = (size_t)(end - value - 1);
			return value + 1;
		}
		tag = end + 1;
	}
}

/* Puts `value` in the place of len bytes at `at`, which is in *text. */
static int splice(char **text, const char *at, size_t len, const char *value,
		  struct err *e)
{
	char *fresh;

	if (asprintf(&fresh, "%.*s%s%s", (int)(at - *text), *text, value,
		     at + len) < 0)
		return err_oom(e, "change a document");
	free(*text);
	*text = fresh;
	return 0;
}

int revision_set(char **text, const char *element, const char *attribute,
		 const char *value, struct err *e)
{
	char *tag = find_element(*text, element);
	size_t len;
	char *at = tag ? find_value(tag, attribute, &len) : NULL;

	if (!at)
		return err_set(e, ENOENT, "<%s> has no %s", element, attribute);
	return splice(text, at, len, value, e);
}

static int set_base64(char **text, const char *element, const char *attribute,
		      const void *data, size_t len, struct err *e)
{
	auto_free char *b64 = text_base64(data, len);

	if (!b64)
		return err_oom(e, element);
	return revision_set(text, element, attribute, b64, e);
}

/* <secrets ...>HERE</secrets> */
static int set_secrets(char **text, const void *sealed, size_t len,
		       struct err *e)
{
	auto_free char *b64 = text_base64(sealed, len);
	char *tag = find_element(*text, "secrets");
	char *start = tag ? strchr(tag, '>') : NULL;
	char *end = start ? strstr(start, "</") : NULL;

	if (!b64)
		return err_oom(e, "secrets");
	if (!end)
		return err_set(e, ENOENT, "<secrets> holds nothing");
	return splice(text, start + 1, (size_t)(end - start - 1), b64, e);
}

static int aad_of(const struct doc_head *h, uint32_t version, char **ret,
		  struct err *e)
{
	if (asprintf(ret, "vp-config\n%s\n%s\n%u", h->org, h->id, version) < 0)
		return err_oom(e, "seal the secrets");
	return 0;
}

static int reseal(const struct doc_vp_config *old, char **text,
		  const struct seal_key *from, const struct seal_key *to,
		  struct err *e)
{
	auto_free char *aad = NULL, *next_aad = NULL;
	auto_free void *plain = NULL, *sealed = NULL;
	uint8_t nonce[SEAL_NONCE_SIZE];
	size_t plain_len, len;
	int r = aad_of(&old->head, old->head.version, &aad, e);

	if (r >= 0)
		r = aad_of(&old->head, old->head.version + 1, &next_aad, e);
	if (r >= 0)
		r = seal_decrypt(from->enc, old->secrets_nonce, aad,
				 strlen(aad), old->secrets, old->secrets_len,
				 &plain, &plain_len, e);
	if (r < 0)
		return r;
	hash_random(nonce, sizeof(nonce));
	r = seal_encrypt(to->enc, nonce, next_aad, strlen(next_aad), plain,
			 plain_len, &sealed, &len, e);
	explicit_bzero(plain, plain_len);
	if (r >= 0)
		r = set_base64(text, "secrets", "nonce", nonce, sizeof(nonce),
			       e);
	return r < 0 ? r : set_secrets(text, sealed, len, e);
}

static int protect_anew(const struct doc_vp_config *old, char **text,
			const char *password, struct err *e)
{
	AUTO(seal_wipe) struct seal_key from = { 0 }, to = { 0 };
	uint8_t salt[SALT_SIZE], verifier[HASH_SIZE];
	int r;

	if (!password)
		return err_set(e, EACCES,
			       "config '%s' is protected: its "
			       "password is needed",
			       old->head.id);
	r = seal_derive(password, old->salt, old->salt_len, old->iterations,
			&from, e);
	if (r < 0)
		return r;
	seal_verifier(&from, verifier);
	if (hash_compare(verifier, old->verifier, HASH_SIZE) != 0)
		return err_reason(e, REASON_PASSWORD,
				  "config '%s' version %u has another password",
				  old->head.id, old->head.version);
	hash_random(salt, sizeof(salt));
	r = seal_derive(password, salt, sizeof(salt), old->iterations, &to, e);
	if (r < 0)
		return r;
	seal_verifier(&to, verifier);
	r = set_base64(text, "protection", "salt", salt, sizeof(salt), e);
	if (r >= 0)
		r = set_base64(text, "protection", "verifier", verifier,
			       sizeof(verifier), e);
	return r < 0 || !old->secrets ? r : reseal(old, text, &from, &to, e);
}

int revision_xml(const struct doc *old, const char *xml, const char *password,
		 char **ret, struct err *e)
{
	const struct doc_head *h = &old->head;
	const char *element = doc_type_name(h->type);
	auto_free char *text = strdup(xml);
	AUTO(doc_freep) struct doc *doc = NULL;
	char version[16], issued[TEXT_TIME_SIZE], expires[TEXT_TIME_SIZE];
	int r;

	if (!text)
		return err_oom(e, h->id);
	snprintf(version, sizeof(version), "%u", h->version + 1);
	text_time(clock_wall(), issued);
	text_time(clock_wall() + h->expires - h->issued, expires);
	r = revision_set(&text, element, "version", version, e);
	if (r >= 0)
		r = revision_set(&text, element, "issued", issued, e);
	if (r >= 0)
		r = revision_set(&text, element, "expires", expires, e);
	if (r >= 0 && h->type == DOC_VP_CONFIG &&
	    doc_as_vp_config(old)->is_protected)
		r = protect_anew(doc_as_vp_config(old), &text, password, e);
	if (r >= 0)
		r = doc_parse(h->type, text, strlen(text), &doc, e);
	if (r < 0)
		return r;
	if (doc->head.version != h->version + 1)
		return err_set(e, EINVAL,
			       "%s '%s': its version could not be "
			       "raised",
			       element, h->id);
	*ret = steal(text);
	return 0;
}

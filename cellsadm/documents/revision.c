/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/documents/revision.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/password_crypto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

#define BLANK " \t\r\n"
#define SALT_SIZE 16

/* The start tag of the first such element, outside comments. */
static char *find_start_tag(char *text, const char *element)
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
static char *find_attribute_value(char *tag, const char *attribute,
				  size_t *ret_len)
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
static int replace_text_range(char **text, const char *at, size_t len,
			      const char *value, struct err *e)
{
	char *fresh;

	if (asprintf(&fresh, "%.*s%s%s", (int)(at - *text), *text, value,
		     at + len) < 0)
		return err_oom(e, "change a document");
	free(*text);
	*text = fresh;
	return 0;
}

int revision_set_attribute(char **text, const char *element,
			   const char *attribute, const char *value,
			   struct err *e)
{
	char *tag = find_start_tag(*text, element);
	size_t len;
	char *at = tag ? find_attribute_value(tag, attribute, &len) : NULL;

	if (!at)
		return err_set(e, ENOENT, "<%s> has no %s", element, attribute);
	return replace_text_range(text, at, len, value, e);
}

static int set_base64_attribute(char **text, const char *element,
				const char *attribute, const void *data,
				size_t len, struct err *e)
{
	auto_free char *b64 = encoding_to_base64(data, len);

	if (!b64)
		return err_oom(e, element);
	return revision_set_attribute(text, element, attribute, b64, e);
}

/* <secrets ...>HERE</secrets> */
static int set_secrets_text(char **text, const void *sealed, size_t len,
			    struct err *e)
{
	auto_free char *b64 = encoding_to_base64(sealed, len);
	char *tag = find_start_tag(*text, "secrets");
	char *start = tag ? strchr(tag, '>') : NULL;
	char *end = start ? strstr(start, "</") : NULL;

	if (!b64)
		return err_oom(e, "secrets");
	if (!end)
		return err_set(e, ENOENT, "<secrets> holds nothing");
	return replace_text_range(text, start + 1, (size_t)(end - start - 1),
				  b64, e);
}

static int format_secrets_aad(const struct doc_head *h, uint32_t version,
			      char **ret, struct err *e)
{
	if (asprintf(ret, "vp-config\n%s\n%s\n%u", h->org, h->id, version) < 0)
		return err_oom(e, "seal the secrets");
	return 0;
}

static int reseal_secrets(const struct doc_vp_config *old, char **text,
			  const struct password_crypto_key *from,
			  const struct password_crypto_key *to, struct err *e)
{
	auto_free char *aad = NULL, *next_aad = NULL;
	auto_free void *plain = NULL, *sealed = NULL;
	uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE];
	size_t plain_len, len;
	int r = format_secrets_aad(&old->head, old->head.version, &aad, e);

	if (r >= 0)
		r = format_secrets_aad(&old->head, old->head.version + 1,
				       &next_aad, e);
	if (r >= 0)
		r = password_crypto_decrypt(
			from->enc, old->secrets_nonce, aad, strlen(aad),
			old->secrets, old->secrets_len, &plain, &plain_len, e);
	if (r < 0)
		return r;
	hash_random(nonce, sizeof(nonce));
	r = password_crypto_encrypt(to->enc, nonce, next_aad, strlen(next_aad),
				    plain, plain_len, &sealed, &len, e);
	explicit_bzero(plain, plain_len);
	if (r >= 0)
		r = set_base64_attribute(text, "secrets", "nonce", nonce,
					 sizeof(nonce), e);
	return r < 0 ? r : set_secrets_text(text, sealed, len, e);
}

static int renew_protection(const struct doc_vp_config *old, char **text,
			    const char *password, struct err *e)
{
	AUTO(password_crypto_wipe_key)
	struct password_crypto_key from = { 0 }, to = { 0 };
	uint8_t salt[SALT_SIZE], verifier[HASH_SIZE];
	int r;

	if (!password)
		return err_set(e, EACCES,
			       "config '%s' is protected: its "
			       "password is needed",
			       old->head.id);
	r = password_crypto_derive_key(password, old->salt, old->salt_len,
				       old->iterations, &from, e);
	if (r < 0)
		return r;
	password_crypto_verifier(&from, verifier);
	if (hash_compare(verifier, old->verifier, HASH_SIZE) != 0)
		return err_reason(e, REASON_PASSWORD,
				  "config '%s' version %u has another password",
				  old->head.id, old->head.version);
	hash_random(salt, sizeof(salt));
	r = password_crypto_derive_key(password, salt, sizeof(salt),
				       old->iterations, &to, e);
	if (r < 0)
		return r;
	password_crypto_verifier(&to, verifier);
	r = set_base64_attribute(text, "protection", "salt", salt, sizeof(salt),
				 e);
	if (r >= 0)
		r = set_base64_attribute(text, "protection", "verifier",
					 verifier, sizeof(verifier), e);
	return r < 0 || !old->secrets
		       ? r
		       : reseal_secrets(old, text, &from, &to, e);
}

int revision_build_xml(const struct doc *old, const char *xml,
		       const char *password, char **ret, struct err *e)
{
	const struct doc_head *h = &old->head;
	const char *element = doc_type_name(h->type);
	auto_free char *text = strdup(xml);
	AUTO(doc_freep) struct doc *doc = NULL;
	char version[16], issued[ENCODING_TIME_SIZE],
		expires[ENCODING_TIME_SIZE];
	int r;

	if (!text)
		return err_oom(e, h->id);
	snprintf(version, sizeof(version), "%u", h->version + 1);
	encoding_format_time(clock_wall(), issued);
	encoding_format_time(clock_wall() + h->expires - h->issued, expires);
	r = revision_set_attribute(&text, element, "version", version, e);
	if (r >= 0)
		r = revision_set_attribute(&text, element, "issued", issued, e);
	if (r >= 0)
		r = revision_set_attribute(&text, element, "expires", expires,
					   e);
	if (r >= 0 && h->type == DOC_VP_CONFIG &&
	    doc_as_vp_config(old)->is_protected)
		r = renew_protection(doc_as_vp_config(old), &text, password, e);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/password_hash.h"

#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <argon2.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SALT_SIZE 16
#define TAG_SIZE 32
#define SALT_TEXT 22 /* base64 without its padding */
#define TAG_TEXT 43

#define STRING(x) #x
#define NUMBER(x) STRING(x)

struct password_hash {
	uint32_t memory, passes, lanes;
	uint8_t salt[SALT_SIZE], tag[TAG_SIZE];
};

static void wipe_password_hash(struct password_hash *h)
{
	explicit_bzero(h, sizeof(*h));
}

/* ---- text */

static int encode_unpadded(const void *data, size_t len, char *ret,
			   size_t ret_len)
{
	auto_free char *text = encoding_to_base64(data, len);

	if (!text)
		return -ENOMEM;
	memcpy(ret, text, ret_len);
	ret[ret_len] = '\0';
	return 0;
}

static int format_password_hash(const struct password_hash *h,
				char ret[PASSWORD_HASH_SIZE], struct err *e)
{
	char salt[SALT_TEXT + 1], tag[TAG_TEXT + 1];

	if (encode_unpadded(h->salt, SALT_SIZE, salt, SALT_TEXT) < 0 ||
	    encode_unpadded(h->tag, TAG_SIZE, tag, TAG_TEXT) < 0)
		return err_oom(e, "hash a password");
	snprintf(ret, PASSWORD_HASH_SIZE, "$argon2id$v=%d$m=%u,t=%u,p=%u$%s$%s",
		 ARGON2_VERSION_13, h->memory, h->passes, h->lanes, salt, tag);
	return 0;
}

/* Bits behind the last byte are refused by the strict decoder. */
static int decode_unpadded(const char *text, size_t text_len,
			   const char *padding, void *ret, size_t ret_len)
{
	auto_free void *data = NULL;
	char padded[TAG_TEXT + 4];
	size_t len;
	int n = snprintf(padded, sizeof(padded), "%.*s%s", (int)text_len, text,
			 padding);
	int r = encoding_from_base64(padded, (size_t)n, &data, &len);

	if (r < 0 || len != ret_len)
		return r < 0 ? r : -EINVAL;
	memcpy(ret, data, len);
	return 0;
}

static bool are_parameters_bounded(const struct password_hash *h)
{
	return h->memory <= PASSWORD_HASH_MEMORY && h->memory >= 8 * h->lanes &&
	       h->passes >= 1 && h->passes <= PASSWORD_HASH_PASSES_MAX &&
	       h->lanes >= 1 && h->lanes <= PASSWORD_HASH_LANES;
}

/* What would not be written so is not read. */
static int parse_password_hash(const char *text, struct password_hash *ret,
			       struct err *e)
{
	char salt[SALT_TEXT + 1], tag[TAG_TEXT + 1], again[PASSWORD_HASH_SIZE];
	int r = -EINVAL;

	if (sscanf(text, "$argon2id$v=19$m=%7u,t=%2u,p=%2u$%22[^$]$%43s",
		   &ret->memory, &ret->passes, &ret->lanes, salt, tag) == 5 &&
	    are_parameters_bounded(ret))
		r = decode_unpadded(salt, strlen(salt), "==", ret->salt,
				    SALT_SIZE);
	if (r == 0)
		r = decode_unpadded(tag, strlen(tag), "=", ret->tag, TAG_SIZE);
	if (r == 0)
		r = format_password_hash(ret, again, e);
	if (r == -ENOMEM)
		return err_oom(e, "read a password's hash");
	return r == 0 && strcmp(text, again) == 0
		       ? 0
		       : err_set(e, EBADMSG, "not a hash of a password");
}

/* ---- hashes */

/* threads = 1: the lanes follow each other. libargon2 clears its memory. */
static int derive_tag(const struct password_hash *h, const char *password,
		      uint8_t ret[TAG_SIZE], struct err *e)
{
	argon2_context c = {
		.out = ret,
		.outlen = TAG_SIZE,
		.pwd = (uint8_t *)password,
		.pwdlen = (uint32_t)strlen(password),
		.salt = (uint8_t *)h->salt,
		.saltlen = SALT_SIZE,
		.t_cost = h->passes,
		.m_cost = h->memory,
		.lanes = h->lanes,
		.threads = 1,
		.version = ARGON2_VERSION_13,
	};
	int r = argon2id_ctx(&c);

	return r == ARGON2_OK ? 0
			      : err_set(e, ENOMEM, "hash a password: %s",
					argon2_error_message(r));
}

int password_hash_create(const char *password, char ret[PASSWORD_HASH_SIZE],
			 struct err *e)
{
	AUTO(wipe_password_hash)
	struct password_hash h = {
		.memory = PASSWORD_HASH_MEMORY,
		.passes = PASSWORD_HASH_PASSES,
		.lanes = PASSWORD_HASH_LANES,
	};
	int r;

	hash_random(h.salt, sizeof(h.salt));
	r = derive_tag(&h, password, h.tag, e);
	return r < 0 ? r : format_password_hash(&h, ret, e);
}

int password_hash_verify(const char *hash, const char *password, struct err *e)
{
	AUTO(wipe_password_hash) struct password_hash h = { 0 };
	uint8_t tag[TAG_SIZE];
	int r = parse_password_hash(hash, &h, e);

	if (r == 0)
		r = derive_tag(&h, password, tag, e);
	if (r < 0)
		return r;
	r = hash_compare(tag, h.tag, sizeof(tag));
	explicit_bzero(tag, sizeof(tag));
	return r == 0 ? 0 : err_set(e, EACCES, "not the hash of this password");
}

bool password_hash_is_current(const char *hash)
{
	AUTO(wipe_password_hash) struct password_hash h = { 0 };
	struct err ignored;

	return parse_password_hash(hash, &h, &ignored) == 0 &&
	       h.memory == PASSWORD_HASH_MEMORY &&
	       h.passes == PASSWORD_HASH_PASSES &&
	       h.lanes == PASSWORD_HASH_LANES;
}

const char *password_hash_of_nobody(void)
{
	return "$argon2id$v=19$m=" NUMBER(PASSWORD_HASH_MEMORY) ",t=" NUMBER(
		PASSWORD_HASH_PASSES) ",p=" NUMBER(PASSWORD_HASH_LANES) "$AAAAA"
									"AAAAAA"
									"AAAAAA"
									"AAAAA"
									"$AAAAA"
									"AAAAAA"
									"AAAAAA"
									"AAAAAA"
									"AAAAAA"
									"AAAAAA"
									"AAAAAA"
									"AA";
}

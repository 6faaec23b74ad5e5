/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/keyslots.h"

#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/key_recovery.h"
#include "lib/crypto/password_crypto.h"
#include "lib/crypto/secure_memory.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "CELLSKEY"
#define FORMAT_VERSION 2
#define NAME_SIZE 64
#define SUM_AT (KEYSLOTS_BLOCK - HASH_SIZE)
#define IDENTIFIER_INFO "fscrypt\0\1"

/* An associated data of at most so many bytes. */
#define AAD_SIZE 192

const char *keyslots_type_name(enum keyslot_type t)
{
	static const char *const names[] = { "empty", "passcode", "device",
					     "recovery" };

	return names[t];
}

int keyslots_identify_key(const struct secure_memory *key,
			  uint8_t ret[KEYSLOTS_ID_SIZE], struct err *e)
{
	int r = hash_hkdf512(key->bytes, key->len, IDENTIFIER_INFO,
			     sizeof(IDENTIFIER_INFO) - 1, ret,
			     KEYSLOTS_ID_SIZE);

	return r < 0 ? err_sys(e, -r, "identify a key") : 0;
}

/* ---- blocks */

/* A block that is being read or written: fields follow each other. */
struct block_cursor {
	uint8_t *at;
	const uint8_t *from;
};

static void put_block_bytes(struct block_cursor *b, const void *data,
			    size_t len)
{
	memcpy(b->at, data, len);
	b->at += len;
}

static void put_block_number(struct block_cursor *b, uint64_t n, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*b->at++ = (uint8_t)(n >> 8 * i);
}

static void get_block_bytes(struct block_cursor *b, void *ret, size_t len)
{
	memcpy(ret, b->from, len);
	b->from += len;
}

static uint64_t get_block_number(struct block_cursor *b, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n |= (uint64_t)*b->from++ << 8 * i;
	return n;
}

static void set_block_checksum(uint8_t block[KEYSLOTS_BLOCK])
{
	hash_sha256(block, SUM_AT, block + SUM_AT);
}

static bool is_block_intact(const uint8_t block[KEYSLOTS_BLOCK])
{
	uint8_t sum[HASH_SIZE];

	hash_sha256(block, SUM_AT, sum);
	return memcmp(sum, block + SUM_AT, sizeof(sum)) == 0;
}

void keyslots_format_header(const struct keyslots *s,
			    uint8_t ret[KEYSLOTS_BLOCK])
{
	struct block_cursor b = { .at = ret };
	char name[NAME_SIZE] = "";

	memset(ret, 0, KEYSLOTS_BLOCK);
	memcpy(name, s->vp, strlen(s->vp));
	put_block_bytes(&b, MAGIC, sizeof(MAGIC) - 1);
	put_block_number(&b, FORMAT_VERSION, 4);
	put_block_number(&b, s->number, 4);
	put_block_bytes(&b, name, sizeof(name));
	put_block_bytes(&b, s->id, sizeof(s->id));
	set_block_checksum(ret);
}

static int parse_header_block(const uint8_t *data, struct keyslots *s,
			      struct err *e)
{
	struct block_cursor b = { .from = data };
	char magic[sizeof(MAGIC) - 1], name[NAME_SIZE + 1] = "";

	get_block_bytes(&b, magic, sizeof(magic));
	if (memcmp(magic, MAGIC, sizeof(magic)) != 0 ||
	    !is_block_intact(data) || get_block_number(&b, 4) != FORMAT_VERSION)
		return err_set(e, EBADMSG, "read the slots: no such file");
	s->number = (uint32_t)get_block_number(&b, 4);
	get_block_bytes(&b, name, NAME_SIZE);
	if (!encoding_is_valid_id(name))
		return err_set(e, EBADMSG, "read the slots: a bad name");
	snprintf(s->vp, sizeof(s->vp), "%s", name);
	get_block_bytes(&b, s->id, sizeof(s->id));
	return 0;
}

void keyslots_format_slot(const struct keyslot *p, uint8_t ret[KEYSLOTS_BLOCK])
{
	struct block_cursor b = { .at = ret };

	memset(ret, 0, KEYSLOTS_BLOCK);
	if (p->type == KEYSLOT_EMPTY)
		return;
	put_block_number(&b, p->type, 4);
	put_block_number(&b, p->sequence, 4);
	if (p->type == KEYSLOT_RECOVERY) {
		put_block_bytes(&b, p->point, sizeof(p->point));
		put_block_bytes(&b, p->box, sizeof(p->box));
	} else {
		if (p->type == KEYSLOT_PASSCODE) {
			put_block_number(&b, p->iterations, 8);
			put_block_bytes(&b, p->salt, sizeof(p->salt));
		}
		put_block_bytes(&b, p->nonce, sizeof(p->nonce));
		put_block_bytes(&b, p->wrapped, sizeof(p->wrapped));
	}
	set_block_checksum(ret);
}

static void parse_keyslot_block(const uint8_t *data, struct keyslot *p)
{
	struct block_cursor b = { .from = data };
	uint64_t type = get_block_number(&b, 4);

	if (type == KEYSLOT_EMPTY || type > KEYSLOT_RECOVERY ||
	    !is_block_intact(data))
		return;
	p->type = (enum keyslot_type)type;
	p->sequence = (uint32_t)get_block_number(&b, 4);
	if (p->type == KEYSLOT_RECOVERY) {
		get_block_bytes(&b, p->point, sizeof(p->point));
		get_block_bytes(&b, p->box, sizeof(p->box));
		return;
	}
	if (p->type == KEYSLOT_PASSCODE) {
		p->iterations = get_block_number(&b, 8);
		get_block_bytes(&b, p->salt, sizeof(p->salt));
	}
	get_block_bytes(&b, p->nonce, sizeof(p->nonce));
	get_block_bytes(&b, p->wrapped, sizeof(p->wrapped));
}

int keyslots_parse(const void *data, size_t len, struct keyslots *ret,
		   struct err *e)
{
	struct keyslots s = { 0 };
	const uint8_t *at = data;
	int r;

	if (len != KEYSLOTS_SIZE)
		return err_set(e, EBADMSG, "read the slots: %zu bytes", len);
	r = parse_header_block(at, &s, e);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < KEYSLOTS_PLACES; i++)
		parse_keyslot_block(at + (i + 1) * (size_t)KEYSLOTS_BLOCK,
				    &s.place[i]);
	*ret = s;
	return 0;
}

const struct keyslot *keyslots_find_newest(const struct keyslots *s,
					   enum keyslot_type t)
{
	const struct keyslot *found = NULL;

	for (unsigned int i = 0; i < KEYSLOTS_PLACES; i++)
		if (s->place[i].type == t &&
		    (!found || s->place[i].sequence > found->sequence))
			found = &s->place[i];
	return found;
}

/* ---- wrapping */

static size_t format_keyslot_aad(const struct keyslots *s, enum keyslot_type t,
				 char ret[AAD_SIZE])
{
	char id[2 * KEYSLOTS_ID_SIZE + 1];
	int n;

	encoding_to_hex(s->id, sizeof(s->id), id);
	n = snprintf(ret, AAD_SIZE, "cells-slot|%s|%s|%" PRIu32 "|%s",
		     keyslots_type_name(t), s->vp, s->number, id);
	assert(n > 0 && n < AAD_SIZE);
	return (size_t)n;
}

static int wrap_keyslot_key(const struct keyslots *s, const uint8_t by[32],
			    const struct secure_memory *key,
			    struct keyslot *ret, struct err *e)
{
	auto_free void *sealed = NULL;
	char aad[AAD_SIZE];
	size_t len, aad_len = format_keyslot_aad(s, ret->type, aad);
	int r;

	hash_random(ret->nonce, sizeof(ret->nonce));
	r = password_crypto_encrypt(by, ret->nonce, aad, aad_len, key->bytes,
				    key->len, &sealed, &len, e);
	if (r < 0)
		return r;
	assert(len == sizeof(ret->wrapped));
	memcpy(ret->wrapped, sealed, sizeof(ret->wrapped));
	return 0;
}

static int unwrap_keyslot_key(const struct keyslots *s, const struct keyslot *p,
			      const uint8_t by[32], struct secure_memory *key,
			      struct err *e)
{
	char aad[AAD_SIZE];
	size_t aad_len = format_keyslot_aad(s, p->type, aad);
	int r = password_crypto_decrypt_into(by, p->nonce, aad, aad_len,
					     p->wrapped, sizeof(p->wrapped),
					     key->bytes, e);

	if (r == -EACCES)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: the %s does not fit", s->vp,
				  keyslots_type_name(p->type));
	if (r == 0)
		key->len = KEYSLOTS_KEY_SIZE;
	return r;
}

int keyslots_wrap_device(const struct keyslots *s,
			 const struct secure_memory *device,
			 const struct secure_memory *key, struct keyslot *ret,
			 struct err *e)
{
	*ret = (struct keyslot){ .type = KEYSLOT_DEVICE };
	return wrap_keyslot_key(s, device->bytes, key, ret, e);
}

int keyslots_unwrap_device(const struct keyslots *s,
			   const struct secure_memory *device,
			   struct secure_memory *key, struct err *e)
{
	const struct keyslot *p = keyslots_find_newest(s, KEYSLOT_DEVICE);

	if (!p)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: its key needs %s", s->vp,
				  keyslots_find_newest(s, KEYSLOT_PASSCODE)
					  ? "its passcode"
					  : "the organisation");
	return unwrap_keyslot_key(s, p, device->bytes, key, e);
}

static int derive_passcode_key(const struct keyslot *p,
			       const struct secure_memory *passcode,
			       struct password_crypto_key *ret, struct err *e)
{
	const char *text = (const char *)passcode->bytes;

	if (passcode->len == 0 || passcode->len >= SECURE_MEMORY_MAX ||
	    strlen(text) != passcode->len)
		return err_reason(e, REASON_PASSWORD,
				  "a passcode has 1 to %d bytes, none of them "
				  "0",
				  SECURE_MEMORY_MAX - 1);
	return password_crypto_derive_key(text, p->salt, sizeof(p->salt),
					  p->iterations, ret, e);
}

int keyslots_wrap_passcode(const struct keyslots *s,
			   const struct secure_memory *passcode,
			   const struct secure_memory *key, struct keyslot *ret,
			   struct err *e)
{
	AUTO(password_crypto_wipe_key) struct password_crypto_key k = { 0 };
	int r;

	*ret = (struct keyslot){ .type = KEYSLOT_PASSCODE,
				 .iterations = PASSWORD_CRYPTO_ITERATIONS_MIN };
	hash_random(ret->salt, sizeof(ret->salt));
	r = derive_passcode_key(ret, passcode, &k, e);
	return r < 0 ? r : wrap_keyslot_key(s, k.enc, key, ret, e);
}

int keyslots_unwrap_passcode(const struct keyslots *s,
			     const struct secure_memory *passcode,
			     struct secure_memory *key, struct err *e)
{
	const struct keyslot *p = keyslots_find_newest(s, KEYSLOT_PASSCODE);
	AUTO(password_crypto_wipe_key) struct password_crypto_key k = { 0 };
	int r;

	if (!p)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: it has no passcode", s->vp);
	r = derive_passcode_key(p, passcode, &k, e);
	return r < 0 ? r : unwrap_keyslot_key(s, p, k.enc, key, e);
}

int keyslots_wrap_recovery(const struct keyslots *s,
			   const uint8_t point[HPKE_PUBLIC_KEY_SIZE],
			   const struct secure_memory *key, struct keyslot *ret,
			   struct err *e)
{
	char id[2 * KEYSLOTS_ID_SIZE + 1];
	const struct key_recovery_vp v = { s->vp, id, s->number };

	encoding_to_hex(s->id, sizeof(s->id), id);
	*ret = (struct keyslot){ .type = KEYSLOT_RECOVERY };
	memcpy(ret->point, point, sizeof(ret->point));
	return key_recovery_wrap(&v, point, key->bytes, ret->box, e);
}

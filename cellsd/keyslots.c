/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/keyslots.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/hash.h"
#include "lib/key_recovery.h"
#include "lib/password_crypto.h"
#include "lib/secure_memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "CELLSKEY"
#define FORMAT_VERSION 1
#define NAME_SIZE 64
#define SUM_AT (SLOTS_BLOCK - HASH_SIZE)
#define IDENTIFIER_INFO "fscrypt\0\1"

/* An associated data of at most so many bytes. */
#define AAD_SIZE 192

const char *slots_type_name(enum slot_type t)
{
	static const char *const names[] = { "empty", "passcode", "device",
					     "recovery" };

	return names[t];
}

int slots_identify(const struct secret *key, uint8_t ret[SLOTS_ID_SIZE],
		   struct err *e)
{
	int r = hash_hkdf512(key->bytes, key->len, IDENTIFIER_INFO,
			     sizeof(IDENTIFIER_INFO) - 1, ret, SLOTS_ID_SIZE);

	return r < 0 ? err_sys(e, -r, "identify a key") : 0;
}

/* ---- blocks */

/* A block that is being read or written: fields follow each other. */
struct block {
	uint8_t *at;
	const uint8_t *from;
};

static void put(struct block *b, const void *data, size_t len)
{
	memcpy(b->at, data, len);
	b->at += len;
}

static void put_number(struct block *b, uint64_t n, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*b->at++ = (uint8_t)(n >> 8 * i);
}

static void take(struct block *b, void *ret, size_t len)
{
	memcpy(ret, b->from, len);
	b->from += len;
}

static uint64_t take_number(struct block *b, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n |= (uint64_t)*b->from++ << 8 * i;
	return n;
}

static void end_block(uint8_t block[SLOTS_BLOCK])
{
	hash_sha256(block, SUM_AT, block + SUM_AT);
}

static bool is_whole(const uint8_t block[SLOTS_BLOCK])
{
	uint8_t sum[HASH_SIZE];

	hash_sha256(block, SUM_AT, sum);
	return memcmp(sum, block + SUM_AT, sizeof(sum)) == 0;
}

void slots_write_head(const struct slots *s, uint8_t ret[SLOTS_BLOCK])
{
	struct block b = { .at = ret };
	char name[NAME_SIZE] = "";

	memset(ret, 0, SLOTS_BLOCK);
	memcpy(name, s->vp, strlen(s->vp));
	put(&b, MAGIC, sizeof(MAGIC) - 1);
	put_number(&b, FORMAT_VERSION, 4);
	put_number(&b, s->number, 4);
	put(&b, name, sizeof(name));
	put(&b, s->id, sizeof(s->id));
	end_block(ret);
}

static int read_head(const uint8_t *data, struct slots *s, struct err *e)
{
	struct block b = { .from = data };
	char magic[sizeof(MAGIC) - 1], name[NAME_SIZE + 1] = "";

	take(&b, magic, sizeof(magic));
	if (memcmp(magic, MAGIC, sizeof(magic)) != 0 || !is_whole(data) ||
	    take_number(&b, 4) != FORMAT_VERSION)
		return err_set(e, EBADMSG, "read the slots: no such file");
	s->number = (uint32_t)take_number(&b, 4);
	take(&b, name, NAME_SIZE);
	if (!text_is_id(name))
		return err_set(e, EBADMSG, "read the slots: a bad name");
	snprintf(s->vp, sizeof(s->vp), "%s", name);
	take(&b, s->id, sizeof(s->id));
	return 0;
}

void slots_write_place(const struct slot *p, uint8_t ret[SLOTS_BLOCK])
{
	struct block b = { .at = ret };

	memset(ret, 0, SLOTS_BLOCK);
	if (p->type == SLOT_EMPTY)
		return;
	put_number(&b, p->type, 4);
	put_number(&b, p->sequence, 4);
	if (p->type == SLOT_RECOVERY) {
		put(&b, p->point, sizeof(p->point));
		put(&b, p->box, sizeof(p->box));
	} else {
		if (p->type == SLOT_PASSCODE) {
			put_number(&b, p->iterations, 8);
			put(&b, p->salt, sizeof(p->salt));
		}
		put(&b, p->nonce, sizeof(p->nonce));
		put(&b, p->wrapped, sizeof(p->wrapped));
	}
	end_block(ret);
}

static void read_place(const uint8_t *data, struct slot *p)
{
	struct block b = { .from = data };
	uint64_t type = take_number(&b, 4);

	if (type == SLOT_EMPTY || type > SLOT_RECOVERY || !is_whole(data))
		return;
	p->type = (enum slot_type)type;
	p->sequence = (uint32_t)take_number(&b, 4);
	if (p->type == SLOT_RECOVERY) {
		take(&b, p->point, sizeof(p->point));
		take(&b, p->box, sizeof(p->box));
		return;
	}
	if (p->type == SLOT_PASSCODE) {
		p->iterations = take_number(&b, 8);
		take(&b, p->salt, sizeof(p->salt));
	}
	take(&b, p->nonce, sizeof(p->nonce));
	take(&b, p->wrapped, sizeof(p->wrapped));
}

int slots_parse(const void *data, size_t len, struct slots *ret, struct err *e)
{
	struct slots s = { 0 };
	const uint8_t *at = data;
	int r;

	if (len != SLOTS_SIZE)
		return err_set(e, EBADMSG, "read the slots: %zu bytes", len);
	r = read_head(at, &s, e);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < SLOTS_PLACES; i++)
		read_place(at + (i + 1) * (size_t)SLOTS_BLOCK, &s.place[i]);
	*ret = s;
	return 0;
}

const struct slot *slots_find(const struct slots *s, enum slot_type t)
{
	const struct slot *found = NULL;

	for (unsigned int i = 0; i < SLOTS_PLACES; i++)
		if (s->place[i].type == t &&
		    (!found || s->place[i].sequence > found->sequence))
			found = &s->place[i];
	return found;
}

/* ---- wrapping */

static size_t aad_of(const struct slots *s, enum slot_type t,
		     char ret[AAD_SIZE])
{
	char id[2 * SLOTS_ID_SIZE + 1];
	int n;

	text_hex(s->id, sizeof(s->id), id);
	n = snprintf(ret, AAD_SIZE, "cells-slot|%s|%s|%" PRIu32 "|%s",
		     slots_type_name(t), s->vp, s->number, id);
	assert(n > 0 && n < AAD_SIZE);
	return (size_t)n;
}

static int wrap(const struct slots *s, const uint8_t by[32],
		const struct secret *key, struct slot *ret, struct err *e)
{
	auto_free void *sealed = NULL;
	char aad[AAD_SIZE];
	size_t len, aad_len = aad_of(s, ret->type, aad);
	int r;

	hash_random(ret->nonce, sizeof(ret->nonce));
	r = seal_encrypt(by, ret->nonce, aad, aad_len, key->bytes, key->len,
			 &sealed, &len, e);
	if (r < 0)
		return r;
	assert(len == sizeof(ret->wrapped));
	memcpy(ret->wrapped, sealed, sizeof(ret->wrapped));
	return 0;
}

static int unwrap(const struct slots *s, const struct slot *p,
		  const uint8_t by[32], struct secret *key, struct err *e)
{
	char aad[AAD_SIZE];
	size_t aad_len = aad_of(s, p->type, aad);
	int r = seal_decrypt_into(by, p->nonce, aad, aad_len, p->wrapped,
				  sizeof(p->wrapped), key->bytes, e);

	if (r == -EACCES)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: the %s does not fit", s->vp,
				  slots_type_name(p->type));
	if (r == 0)
		key->len = SLOTS_KEY_SIZE;
	return r;
}

int slots_wrap_device(const struct slots *s, const struct secret *device,
		      const struct secret *key, struct slot *ret, struct err *e)
{
	*ret = (struct slot){ .type = SLOT_DEVICE };
	return wrap(s, device->bytes, key, ret, e);
}

int slots_unwrap_device(const struct slots *s, const struct secret *device,
			struct secret *key, struct err *e)
{
	const struct slot *p = slots_find(s, SLOT_DEVICE);

	if (!p)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: its key needs %s", s->vp,
				  slots_find(s, SLOT_PASSCODE)
					  ? "its passcode"
					  : "the organisation");
	return unwrap(s, p, device->bytes, key, e);
}

static int derive(const struct slot *p, const struct secret *passcode,
		  struct seal_key *ret, struct err *e)
{
	const char *text = (const char *)passcode->bytes;

	if (passcode->len == 0 || passcode->len >= SECRET_MAX ||
	    strlen(text) != passcode->len)
		return err_reason(e, REASON_PASSWORD,
				  "a passcode has 1 to %d bytes, none of them "
				  "0",
				  SECRET_MAX - 1);
	return seal_derive(text, p->salt, sizeof(p->salt), p->iterations, ret,
			   e);
}

int slots_wrap_passcode(const struct slots *s, const struct secret *passcode,
			const struct secret *key, struct slot *ret,
			struct err *e)
{
	AUTO(seal_wipe) struct seal_key k = { 0 };
	int r;

	*ret = (struct slot){ .type = SLOT_PASSCODE,
			      .iterations = SEAL_ITERATIONS_MIN };
	hash_random(ret->salt, sizeof(ret->salt));
	r = derive(ret, passcode, &k, e);
	return r < 0 ? r : wrap(s, k.enc, key, ret, e);
}

int slots_unwrap_passcode(const struct slots *s, const struct secret *passcode,
			  struct secret *key, struct err *e)
{
	const struct slot *p = slots_find(s, SLOT_PASSCODE);
	AUTO(seal_wipe) struct seal_key k = { 0 };
	int r;

	if (!p)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: it has no passcode", s->vp);
	r = derive(p, passcode, &k, e);
	return r < 0 ? r : unwrap(s, p, k.enc, key, e);
}

int slots_wrap_recovery(const struct slots *s,
			const uint8_t point[BOX_POINT_SIZE],
			const struct secret *key, struct slot *ret,
			struct err *e)
{
	char id[2 * SLOTS_ID_SIZE + 1];
	const struct escrow_vp v = { s->vp, id, s->number };

	text_hex(s->id, sizeof(s->id), id);
	*ret = (struct slot){ .type = SLOT_RECOVERY };
	memcpy(ret->point, point, sizeof(ret->point));
	return escrow_wrap(&v, point, key->bytes, ret->box, e);
}

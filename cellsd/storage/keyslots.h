/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of a VP: its data key, 64 random bytes, wrapped once for each who
 * may have it. Nothing else of the key is on disk, so that the data is gone
 * with the slots.
 *
 * The slots file has KEYSLOTS_BLOCK bytes for its head and for each of
 * KEYSLOTS_PLACES places; numbers are little-endian, the rest of a block is
 * zero, its last 32 bytes are the SHA-256 of those before, so that a torn write
 * is not a slot.
 *
 *   head      "CELLSKEY" | u32 version (2) | u32 number of the VP's ids |
 *             name (64 bytes, padded) | identifier (16)
 *   place     u32 type (0: empty) | u32 sequence | body:
 *   passcode  u64 iterations | salt (32) | nonce (12) | wrapped (80)
 *   device    nonce (12) | wrapped (80)
 *   recovery  recipient's point (65) | box (145)
 *
 * wrapped: AES-256-GCM (NIST SP 800-38D), 64 bytes and the tag, by the device's
 * key, or by what PBKDF2-HMAC-SHA512 (RFC 8018, lib/crypto/password_crypto.h)
 * makes of the passcode; box: lib/crypto/key_recovery.h. The associated data of
 * each is "cells-slot|<type>|<name>|<number>|<identifier in hex>". The
 * identifier is fscrypt's: HKDF-SHA512 (RFC 5869) of the key, no salt, info
 * "fscrypt\0\1", 16 bytes (Documentation/filesystems/fscrypt.rst).
 */
#ifndef CELLSD_STORAGE_KEYSLOTS_H
#define CELLSD_STORAGE_KEYSLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cellsd/limits.h"
#include "lib/crypto/key_recovery.h"

#define KEYSLOTS_KEY_SIZE KEY_RECOVERY_KEY_SIZE
#define KEYSLOTS_ID_SIZE 16
#define KEYSLOTS_WRAPPED_SIZE (KEYSLOTS_KEY_SIZE + 16)
#define KEYSLOTS_BOX_SIZE KEY_RECOVERY_BOX_SIZE
#define KEYSLOTS_BLOCK 512
#define KEYSLOTS_PLACES 8
#define KEYSLOTS_SIZE ((1 + KEYSLOTS_PLACES) * KEYSLOTS_BLOCK)

struct err;
struct secure_memory;

enum keyslot_type {
	KEYSLOT_EMPTY,
	KEYSLOT_PASSCODE,
	KEYSLOT_DEVICE,
	KEYSLOT_RECOVERY
};

struct keyslot {
	enum keyslot_type type;
	uint32_t sequence;
	uint64_t iterations;
	uint8_t salt[32], nonce[12];
	uint8_t wrapped[KEYSLOTS_WRAPPED_SIZE];
	uint8_t point[HPKE_PUBLIC_KEY_SIZE], box[KEYSLOTS_BOX_SIZE];
};

struct keyslots {
	char vp[VP_NAME_SIZE];
	uint32_t number;
	uint8_t id[KEYSLOTS_ID_SIZE];
	struct keyslot place[KEYSLOTS_PLACES];
};

/* A word for people: "passcode", "device", "recovery". */
const char *keyslots_type_name(enum keyslot_type t);

/* The identifier of a key. */
int keyslots_identify_key(const struct secure_memory *key,
			  uint8_t ret[KEYSLOTS_ID_SIZE], struct err *e);

/* -EBADMSG: no slots file. A damaged place counts as empty. */
int keyslots_parse(const void *data, size_t len, struct keyslots *ret,
		   struct err *e);
void keyslots_format_header(const struct keyslots *s,
			    uint8_t ret[KEYSLOTS_BLOCK]);
void keyslots_format_slot(const struct keyslot *p, uint8_t ret[KEYSLOTS_BLOCK]);

/* The newest of that type, or NULL. */
const struct keyslot *keyslots_find_newest(const struct keyslots *s,
					   enum keyslot_type t);

/* Each makes a slot of key for `s`, whose name, number and id are set. */
int keyslots_wrap_device(const struct keyslots *s,
			 const struct secure_memory *device,
			 const struct secure_memory *key, struct keyslot *ret,
			 struct err *e);
int keyslots_wrap_passcode(const struct keyslots *s,
			   const struct secure_memory *passcode,
			   const struct secure_memory *key, struct keyslot *ret,
			   struct err *e);
int keyslots_wrap_recovery(const struct keyslots *s,
			   const uint8_t point[HPKE_PUBLIC_KEY_SIZE],
			   const struct secure_memory *key, struct keyslot *ret,
			   struct err *e);

/* Each unwraps into the empty key; err.password: it does not fit. */
int keyslots_unwrap_device(const struct keyslots *s,
			   const struct secure_memory *device,
			   struct secure_memory *key, struct err *e);
int keyslots_unwrap_passcode(const struct keyslots *s,
			     const struct secure_memory *passcode,
			     struct secure_memory *key, struct err *e);

#endif

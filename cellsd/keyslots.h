/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of a VP: its data key, 64 random bytes, wrapped once for each who
 * may have it. Nothing else of the key is on disk, so that the data is gone
 * with the slots.
 *
 * The slots file has SLOTS_BLOCK bytes for its head and for each of
 * SLOTS_PLACES places; numbers are little-endian, the rest of a block is zero,
 * its last 32 bytes are the SHA-256 of those before, so that a torn write is
 * no slot.
 *
 *   head      "CELLSKEY" | u32 version (1) | u32 number of the VP's ids |
 *             name (64 bytes, padded) | identifier (16)
 *   place     u32 type (0: empty) | u32 sequence | body:
 *   passcode  u64 iterations | salt (32) | nonce (12) | wrapped (80)
 *   device    nonce (12) | wrapped (80)
 *   recovery  recipient's point (65) | box (145)
 *
 * wrapped: AES-256-GCM (NIST SP 800-38D), 64 bytes and the tag, by the device's
 * key, or by what PBKDF2-HMAC-SHA512 (RFC 8018, lib/password_crypto.h) makes of
 * the passcode; box: lib/key_recovery.h. The associated data of each is
 * "cells-slot|<type>|<name>|<number>|<identifier in hex>". The identifier is
 * fscrypt's: HKDF-SHA512 (RFC 5869) of the key, no salt, info "fscrypt\0\1",
 * 16 bytes (Documentation/filesystems/fscrypt.rst).
 */
#ifndef CELLSD_KEYSLOTS_H
#define CELLSD_KEYSLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cellsd/vp.h"
#include "lib/key_recovery.h"

#define SLOTS_KEY_SIZE ESCROW_KEY_SIZE
#define SLOTS_ID_SIZE 16
#define SLOTS_WRAPPED_SIZE (SLOTS_KEY_SIZE + 16)
#define SLOTS_BOX_SIZE ESCROW_BOX_SIZE
#define SLOTS_BLOCK 512
#define SLOTS_PLACES 8
#define SLOTS_SIZE ((1 + SLOTS_PLACES) * SLOTS_BLOCK)

struct err;
struct secret;

enum slot_type { SLOT_EMPTY, SLOT_PASSCODE, SLOT_DEVICE, SLOT_RECOVERY };

struct slot {
	enum slot_type type;
	uint32_t sequence;
	uint64_t iterations;
	uint8_t salt[32], nonce[12];
	uint8_t wrapped[SLOTS_WRAPPED_SIZE];
	uint8_t point[BOX_POINT_SIZE], box[SLOTS_BOX_SIZE];
};

struct slots {
	char vp[VP_NAME_SIZE];
	uint32_t number;
	uint8_t id[SLOTS_ID_SIZE];
	struct slot place[SLOTS_PLACES];
};

/* A word for people: "passcode", "device", "recovery". */
const char *slots_type_name(enum slot_type t);

/* The identifier of a key. */
int slots_identify(const struct secret *key, uint8_t ret[SLOTS_ID_SIZE],
		   struct err *e);

/* -EBADMSG: no slots file. A damaged place counts as empty. */
int slots_parse(const void *data, size_t len, struct slots *ret, struct err *e);
void slots_write_head(const struct slots *s, uint8_t ret[SLOTS_BLOCK]);
void slots_write_place(const struct slot *p, uint8_t ret[SLOTS_BLOCK]);

/* The newest of that type, or NULL. */
const struct slot *slots_find(const struct slots *s, enum slot_type t);

/* Each makes a slot of key for `s`, whose name, number and id are set. */
int slots_wrap_device(const struct slots *s, const struct secret *device,
		      const struct secret *key, struct slot *ret,
		      struct err *e);
int slots_wrap_passcode(const struct slots *s, const struct secret *passcode,
			const struct secret *key, struct slot *ret,
			struct err *e);
int slots_wrap_recovery(const struct slots *s,
			const uint8_t point[BOX_POINT_SIZE],
			const struct secret *key, struct slot *ret,
			struct err *e);

/* Each unwraps into the empty key; err.password: it does not fit. */
int slots_unwrap_device(const struct slots *s, const struct secret *device,
			struct secret *key, struct err *e);
int slots_unwrap_passcode(const struct slots *s, const struct secret *passcode,
			  struct secret *key, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stored of an account's password: an Argon2id hash (RFC 9106, version
 * 0x13) in the encoded form that other programs read as well,
 *
 *   $argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<tag>
 *
 * with a salt of 16 and a tag of 32 bytes, in base64 (RFC 4648, 4) without
 * padding.
 *
 * New ones have the second recommended option of RFC 9106, 4: 3 passes over 64
 * MiB. The first one takes 2 GiB for each log-in, more than a server has that
 * many people ask at a time. The lanes are worked out one after the other, by
 * one processor and without threads; the hash is the same.
 */
#ifndef MGMT_SERVER_STORE_PASSWORD_HASH_H
#define MGMT_SERVER_STORE_PASSWORD_HASH_H

#include <stdbool.h>

#define PASSWORD_HASH_SIZE 112	    /* of the text, with its NUL */
#define PASSWORD_HASH_MEMORY 65536  /* KiB: of a new hash, and at most */
#define PASSWORD_HASH_PASSES 3	    /* of a new hash */
#define PASSWORD_HASH_PASSES_MAX 16 /* of one that is verified */
#define PASSWORD_HASH_LANES 4	    /* of a new hash, and at most */

struct err;

/* Both take PASSWORD_HASH_MEMORY and some tenths of a second. */

/* Hashes with a new salt. -ENOMEM. */
int password_hash_create(const char *password, char ret[PASSWORD_HASH_SIZE],
			 struct err *e);
/* 0: it is the hash of that password; -EACCES: it is not; -EBADMSG: not a hash
 * as above, or out of bounds, which is found before any work; -ENOMEM. */
int password_hash_verify(const char *hash, const char *password, struct err *e);

/* Has it the parameters of a new hash? */
bool password_hash_is_current(const char *hash);

/* A hash of no password: what an unknown account's is compared with, so that
 * the answer takes as long as for a known one. */
const char *password_hash_of_nobody(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks and chunk lists, as files named by their SHA-256. Serving one touches
 * no database. A file got its name last, whole and right; a disk may damage it
 * later.
 */
#ifndef MGMT_SERVER_STORE_BLOB_H
#define MGMT_SERVER_STORE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

#define BLOB_MAX (64 * 1024 * 1024)

struct blob_sink;
struct blobs;
struct err;

int blob_open(const char *dir, struct blobs **ret, struct err *e);
void blob_free(struct blobs *b);

bool blob_has(const struct blobs *b, const uint8_t digest[HASH_SIZE]);
/*
 * An open file; -ENOENT: it is not here, or its bytes were not those of its
 * name any more. Then it is thrown away, so that the next push sends it again.
 * (A chunk list of more than 4 MiB is not looked at: blob_verify().)
 */
int blob_read(const struct blobs *b, const uint8_t digest[HASH_SIZE],
	      int *ret_fd, uint64_t *ret_size, struct err *e);

/* Takes bytes as they come; blob_sink_end() demands the digest. */
int blob_sink_new(struct blobs *b, struct blob_sink **ret, struct err *e);
void blob_sink_free(struct blob_sink *k);
int blob_sink_add(struct blob_sink *k, const void *data, size_t len,
		  struct err *e);
/* err.chunk. The name is durable only after blob_sync(). */
int blob_sink_end(struct blob_sink *k, const uint8_t digest[HASH_SIZE],
		  struct err *e);

struct blob_verify_result {
	uint64_t good, removed;
};

/* Looks at each chunk below `dir`, also while a server runs there, and throws
 * away those whose bytes have another digest; each is logged. */
int blob_verify(const char *dir, struct blob_verify_result *ret, struct err *e);

/* Makes all names since the last time durable. */
int blob_sync(struct blobs *b, struct err *e);

#endif

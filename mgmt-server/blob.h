/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks and chunk lists, as files named by their SHA-256. Serving one touches
 * no database. A file that is there is whole and right: it got its name last.
 */
#ifndef MGMT_BLOB_H
#define MGMT_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/hash.h"

#define BLOB_MAX (64 * 1024 * 1024)

struct blob_sink;
struct blobs;
struct err;

int blob_open(const char *dir, struct blobs **ret, struct err *e);
void blob_free(struct blobs *b);

bool blob_has(const struct blobs *b, const uint8_t digest[HASH_SIZE]);
/* An open file; -ENOENT. */
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

/* Makes all names since the last time durable. */
int blob_sync(struct blobs *b, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/chunk.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <inttypes.h>
#include <string.h>
#include <zstd.h>

#define FIRST_LINE "cells-chunks 1\n"
#define LEVEL 6 /* of zstd */
#define LINE_SIZE (ENCODING_DIGEST_SIZE + 2 * sizeof("4294967295"))
/* With its line end. */
#define LINE_MIN (ENCODING_DIGEST_SIZE + sizeof("1 1"))

static int report_bad_line(struct err *e, size_t line)
{
	return err_reason(e, REASON_CHUNK,
			  "chunk list: line %zu is not a digest and two sizes",
			  line);
}

static int parse_chunk_size(const char *s, uint32_t max, uint32_t *ret)
{
	uint64_t n;

	if (encoding_parse_number(s, max, &n) < 0 || n == 0)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

/* "<digest> <stored> <size>", without the line end. */
static int parse_chunk_line(const char *start, size_t len, struct chunk *c)
{
	char line[LINE_SIZE], *rest = line, *digest, *stored, *size;

	if (len >= sizeof(line) || memchr(start, '\0', len))
		return -EINVAL;
	memcpy(line, start, len);
	line[len] = '\0';
	digest = strsep(&rest, " ");
	stored = strsep(&rest, " ");
	size = rest;
	if (!stored || !size || encoding_parse_digest(digest, c->digest) < 0 ||
	    parse_chunk_size(stored, CHUNK_STORED_MAX, &c->stored) < 0 ||
	    parse_chunk_size(size, CHUNK_SIZE_MAX, &c->size) < 0)
		return -EINVAL;
	return 0;
}

int chunk_list_parse(const char *text, size_t len, struct chunk_list **ret,
		     struct err *e)
{
	size_t first = strlen(FIRST_LINE), most, n = 0;
	auto_free struct chunk_list *list = NULL;
	const char *p, *end = text + len;
	uint64_t size = 0;

	if (len > CHUNK_LIST_MAX)
		return err_reason(e, REASON_CHUNK,
				  "chunk list: %zu bytes are too many", len);
	if (len <= first || memcmp(text, FIRST_LINE, first) != 0)
		return err_reason(e, REASON_CHUNK,
				  "chunk list: it does not start with "
				  "'cells-chunks 1' and a chunk");
	most = len / LINE_MIN + 1;
	list = malloc(sizeof(*list) + most * sizeof(list->chunk[0]));
	if (!list)
		return err_oom(e, "chunk list");
	for (p = text + first; p < end; n++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl || n == most ||
		    parse_chunk_line(p, (size_t)(nl - p), &list->chunk[n]) < 0)
			return report_bad_line(e, n + 2);
		size += list->chunk[n].size;
		p = nl + 1;
	}
	list->n = n;
	list->size = size;
	*ret = steal(list);
	return 0;
}

int chunk_list_text(const struct chunk *chunks, size_t n, char **ret,
		    size_t *ret_len, struct err *e)
{
	size_t room = strlen(FIRST_LINE) + n * LINE_SIZE + 1, len;
	auto_free char *text = malloc(room);

	if (!text)
		return err_oom(e, "chunk list");
	len = (size_t)snprintf(text, room, FIRST_LINE);
	for (size_t i = 0; i < n; i++) {
		char digest[ENCODING_DIGEST_SIZE];

		encoding_format_digest(chunks[i].digest, digest);
		len += (size_t)snprintf(text + len, room - len,
					"%s %" PRIu32 " %" PRIu32 "\n", digest,
					chunks[i].stored, chunks[i].size);
	}
	if (len > CHUNK_LIST_MAX)
		return err_reason(e, REASON_CHUNK,
				  "chunk list: %zu chunks are too many", n);
	*ret = steal(text);
	*ret_len = len;
	return 0;
}

int chunk_unpack(const struct chunk *c, const void *stored, size_t stored_len,
		 void *ret, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	char name[ENCODING_DIGEST_SIZE];
	size_t n;

	encoding_format_digest(c->digest, name);
	hash_sha256(stored, stored_len, digest);
	if (stored_len != c->stored ||
	    memcmp(digest, c->digest, HASH_SIZE) != 0)
		return err_reason(e, REASON_CHUNK,
				  "chunk %s: other bytes have come", name);
	/* One frame, nothing behind it; at most c->size bytes are written. */
	n = ZSTD_findFrameCompressedSize(stored, stored_len);
	if (ZSTD_isError(n) || n != stored_len)
		return err_reason(e, REASON_CHUNK,
				  "chunk %s: not one zstd frame", name);
	n = ZSTD_decompress(ret, c->size, stored, stored_len);
	if (ZSTD_isError(n) || n != c->size)
		return err_reason(e, REASON_CHUNK,
				  "chunk %s: does not hold %" PRIu32 " bytes",
				  name, c->size);
	return 0;
}

int chunk_pack(const void *data, size_t len, struct chunk *ret_chunk,
	       void **ret, size_t *ret_len, struct err *e)
{
	auto_free void *out = NULL;
	size_t room, n;

	if (len == 0 || len > CHUNK_SIZE_MAX)
		return err_set(e, EINVAL,
			       "pack chunk: %zu bytes are not within 1 to %d",
			       len, CHUNK_SIZE_MAX);
	room = ZSTD_compressBound(len);
	out = malloc(room);
	if (!out)
		return err_oom(e, "pack chunk");
	n = ZSTD_compress(out, room, data, len, LEVEL);
	if (ZSTD_isError(n))
		return err_set(e, EIO, "pack chunk: %s", ZSTD_getErrorName(n));
	hash_sha256(out, n, ret_chunk->digest);
	ret_chunk->stored = (uint32_t)n;
	ret_chunk->size = (uint32_t)len;
	*ret = steal(out);
	*ret_len = n;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "images/bundle.h"

#include "images/interrupt.h"
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/document/doc.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

bool bundle_is_present(const char *path)
{
	auto_free char *json = io_join(path, BUNDLE_SIGNED);
	auto_free char *xml = io_join(path, BUNDLE_DOCUMENT);

	return json && xml &&
	       (access(json, F_OK) == 0 || access(xml, F_OK) == 0);
}

void bundle_close(struct bundle *b)
{
	free(b->path);
	envelope_free(b->env);
	doc_free(b->doc);
	memset(b, 0, sizeof(*b));
}

/* The signed document; -ENOENT: there is none. */
static int read_signed_document(struct bundle *b, struct err *e)
{
	auto_free char *file = io_join(b->path, BUNDLE_SIGNED);
	int r;

	if (!file)
		return err_oom(e, b->path);
	r = envelope_read_file(file, &b->env, e);
	if (r != 0)
		return r;
	if (doc_type_from_payload_type(b->env->type) != DOC_IMAGE)
		return err_reason(e, REASON_SCHEMA, "%s: no image but %s", file,
				  b->env->type);
	return doc_parse(DOC_IMAGE, b->env->payload, b->env->payload_len,
			 &b->doc, e);
}

static int read_unsigned_document(struct bundle *b, struct err *e)
{
	auto_free char *file = io_join(b->path, BUNDLE_DOCUMENT);
	auto_free char *text = NULL;
	size_t len;
	int r;

	if (!file)
		return err_oom(e, b->path);
	r = io_read_file(file, ENVELOPE_PAYLOAD_MAX, &text, &len, e);
	if (r == -ENOENT)
		return err_set(e, ENOENT, "open %s: there is no image in it",
			       b->path);
	return r < 0 ? r : doc_parse(DOC_IMAGE, text, len, &b->doc, e);
}

int bundle_open(const char *path, struct bundle *ret, struct err *e)
{
	AUTO(bundle_close) struct bundle b = { .path = strdup(path) };
	int r;

	if (!b.path)
		return err_oom(e, path);
	r = read_signed_document(&b, e);
	if (r == -ENOENT)
		r = read_unsigned_document(&b, e);
	if (r < 0)
		return r;
	b.image = doc_as_image(b.doc);
	*ret = b;
	memset(&b, 0, sizeof(b));
	return 0;
}

char *bundle_chunk_path(const struct bundle *b, const uint8_t digest[HASH_SIZE])
{
	char hex[2 * HASH_SIZE + 1];
	char *path;

	encoding_to_hex(digest, HASH_SIZE, hex);
	return asprintf(&path, "%s/" BUNDLE_CHUNKS "/%s", b->path, hex) < 0
		       ? NULL
		       : path;
}

char *bundle_layer_path(const struct bundle *b, unsigned int layer)
{
	const char *hex = strchr(b->image->layer[layer].digest, ':');
	char *path;

	return asprintf(&path, "%s/" BUNDLE_LAYERS "/%s.erofs", b->path,
			hex ? hex + 1 : "") < 0
		       ? NULL
		       : path;
}

/* Not verified yet. */
static int read_stored_chunk(const struct bundle *b,
			     const uint8_t digest[HASH_SIZE], size_t max,
			     char **ret, size_t *ret_len, struct err *e)
{
	auto_free char *path = bundle_chunk_path(b, digest);
	int r;

	if (!path)
		return err_oom(e, b->path);
	r = io_read_file(path, max, ret, ret_len, e);
	if (r == -ENOENT)
		return err_reason(e, REASON_CHUNK, "chunk %s is missing", path);
	return r;
}

int bundle_read_chunk(const struct bundle *b, const uint8_t digest[HASH_SIZE],
		      size_t max, void **ret, size_t *ret_len, struct err *e)
{
	auto_free char *data = NULL;
	uint8_t got[HASH_SIZE];
	size_t len;
	int r;

	r = read_stored_chunk(b, digest, max, &data, &len, e);
	if (r < 0)
		return r;
	hash_sha256(data, len, got);
	if (memcmp(got, digest, HASH_SIZE) != 0) {
		char name[ENCODING_DIGEST_SIZE];

		encoding_format_digest(digest, name);
		return err_reason(e, REASON_CHUNK,
				  "chunk %s: its bytes have another digest",
				  name);
	}
	*ret = steal(data);
	*ret_len = len;
	return 0;
}

int bundle_read_chunk_list(const struct bundle *b, unsigned int layer,
			   struct chunk_list **ret, struct err *e)
{
	const struct doc_layer *dl = &b->image->layer[layer];
	auto_free struct chunk_list *list = NULL;
	uint8_t digest[HASH_SIZE];
	auto_free void *text = NULL;
	size_t len;
	int r;

	if (encoding_parse_digest(dl->chunks, digest) < 0)
		return err_reason(e, REASON_SCHEMA, "%s is not a digest",
				  dl->chunks);
	r = bundle_read_chunk(b, digest, CHUNK_LIST_MAX, &text, &len, e);
	if (r == 0)
		r = chunk_list_parse(text, len, &list, e);
	if (r < 0)
		return r;
	if (list->size != dl->size)
		return err_reason(e, REASON_IMAGE_DIGEST,
				  "layer %u has %" PRIu64
				  " bytes, its chunks %" PRIu64,
				  layer + 1, dl->size, list->size);
	*ret = steal(list);
	return 0;
}

int bundle_assemble_layer(const struct bundle *b, unsigned int layer, int fd,
			  struct err *e)
{
	auto_free struct chunk_list *list = NULL;
	AUTO(hash_freep) struct hash *hash = hash_new();
	auto_free uint8_t *plain = malloc(CHUNK_SIZE_MAX);
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	int r;

	if (!hash || !plain)
		return err_oom(e, b->path);
	r = bundle_read_chunk_list(b, layer, &list, e);
	for (size_t i = 0; r == 0 && i < list->n; i++) {
		const struct chunk *c = &list->chunk[i];
		auto_free char *stored = NULL;
		size_t len;

		r = interrupt_check(e);
		if (r == 0)
			r = read_stored_chunk(b, c->digest, CHUNK_STORED_MAX,
					      &stored, &len, e);
		if (r == 0)
			r = chunk_unpack(c, stored, len, plain, e);
		if (r < 0)
			return r;
		hash_add(hash, plain, c->size);
		if (fd >= 0)
			r = io_write_all(fd, plain, c->size);
		if (r < 0)
			return err_sys(e, -r, "write layer %u", layer + 1);
	}
	if (r < 0)
		return r;
	hash_end(hash, got);
	if (encoding_parse_digest(b->image->layer[layer].digest, want) < 0 ||
	    memcmp(want, got, HASH_SIZE) != 0)
		return err_reason(e, REASON_IMAGE_DIGEST,
				  "layer %u: its chunks give another digest",
				  layer + 1);
	return 0;
}

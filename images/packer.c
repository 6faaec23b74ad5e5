/* SPDX-License-Identifier: Apache-2.0 */
#include "images/packer.h"

#include "images/cdc.h"
#include "images/interrupt.h"
#include "images/progress.h"
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define WINDOW (4 * CHUNK_SIZE_MAX)

struct packer {
	const char *file;
	int fd, dir;
	struct cdc cdc;
	struct hash *hash;
	struct chunk *chunk;
	size_t n, room;
	uint64_t stored;
	struct progress_meter meter;
	size_t from, to; /* what of the window is not cut yet */
	uint8_t window[WINDOW];
};

static void packer_freep(struct packer **p)
{
	if (!*p)
		return;
	if ((*p)->fd >= 0)
		close((*p)->fd);
	if ((*p)->dir >= 0)
		close((*p)->dir);
	hash_free((*p)->hash);
	free((*p)->chunk);
	progress_end(&(*p)->meter);
	free(*p);
}

static int packer_new(const char *file, const char *chunks, struct packer **ret,
		      struct err *e)
{
	AUTO(packer_freep) struct packer *p = calloc(1, sizeof(*p));
	struct stat st;

	if (!p)
		return err_oom(e, file);
	p->file = file;
	p->fd = p->dir = -1;
	p->hash = hash_new();
	if (!p->hash)
		return err_oom(e, file);
	cdc_init(&p->cdc);
	p->fd = open(file, O_RDONLY | O_CLOEXEC);
	if (p->fd < 0 || fstat(p->fd, &st) < 0)
		return err_sys(e, errno, "open %s", file);
	p->dir = open(chunks, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		return err_sys(e, errno, "open %s", chunks);
	progress_init(&p->meter, "packing", (uint64_t)st.st_size);
	*ret = steal(p);
	return 0;
}

/* The same bytes may be there already: equal chunks are one file. */
static int write_chunk_file(int dir, const uint8_t digest[HASH_SIZE],
			    const void *data, size_t len, struct err *e)
{
	char name[2 * HASH_SIZE + 1];
	auto_close int fd = -1;
	int r;

	encoding_to_hex(digest, HASH_SIZE, name);
	fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST
			       ? 0
			       : err_sys(e, errno, "create chunk %s", name);
	r = io_write_all(fd, data, len);
	return r < 0 ? err_sys(e, -r, "write chunk %s", name) : 0;
}

static int pack_chunk(struct packer *p, const uint8_t *data, size_t len,
		      struct err *e)
{
	auto_free void *stored = NULL;
	struct chunk c;
	size_t stored_len;
	int r;

	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 1024;
		struct chunk *more =
			reallocarray(p->chunk, room, sizeof(*more));

		if (!more)
			return err_oom(e, p->file);
		p->chunk = more;
		p->room = room;
	}
	r = chunk_pack(data, len, &c, &stored, &stored_len, e);
	if (r == 0)
		r = write_chunk_file(p->dir, c.digest, stored, stored_len, e);
	if (r < 0)
		return r;
	p->chunk[p->n++] = c;
	p->stored += stored_len;
	progress_add(&p->meter, len);
	return 0;
}

/* Moves what is left to the front and reads on. *ret_end: there is no more. */
static int refill_window(struct packer *p, bool *ret_end, struct err *e)
{
	memmove(p->window, p->window + p->from, p->to - p->from);
	p->to -= p->from;
	p->from = 0;
	*ret_end = false;
	while (p->to < WINDOW) {
		ssize_t n = read(p->fd, p->window + p->to, WINDOW - p->to);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read %s", p->file);
		if (n == 0) {
			*ret_end = true;
			return 0;
		}
		hash_add(p->hash, p->window + p->to, (size_t)n);
		p->to += (size_t)n;
	}
	return 0;
}

static int pack_all_chunks(struct packer *p, struct err *e)
{
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		r = refill_window(p, &end, e);
		if (r == 0)
			r = interrupt_check(e);
		while (r == 0 && p->to > p->from &&
		       (end || p->to - p->from >= CHUNK_SIZE_MAX)) {
			size_t n = cdc_chunk_length(
				&p->cdc, p->window + p->from, p->to - p->from);

			r = pack_chunk(p, p->window + p->from, n, e);
			p->from += n;
		}
	}
	return r;
}

int packer_pack_layer(const char *file, const char *chunks,
		      struct packed_layer *ret, struct err *e)
{
	AUTO(packer_freep) struct packer *p = NULL;
	auto_free char *list = NULL;
	struct packed_layer out = { 0 };
	size_t len;
	int r;

	r = packer_new(file, chunks, &p, e);
	if (r == 0)
		r = pack_all_chunks(p, e);
	if (r == 0)
		r = chunk_list_text(p->chunk, p->n, &list, &len, e);
	if (r != 0)
		return r;
	hash_sha256(list, len, out.chunks);
	r = write_chunk_file(p->dir, out.chunks, list, len, e);
	if (r < 0)
		return r;
	hash_end(p->hash, out.digest);
	out.n_chunks = p->n;
	out.stored = p->stored;
	for (size_t i = 0; i < p->n; i++)
		out.size += p->chunk[i].size;
	*ret = out;
	return 0;
}

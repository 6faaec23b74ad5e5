/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/layer/layer_assembly.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DIGEST_BYTES (4 * 1024 * 1024) /* at once: some milliseconds */

struct chunk_position {
	uint64_t offset;
	uint32_t index;
};

struct layer_assembly {
	struct chunk_list *list;
	struct chunk_position *place; /* sorted by the chunk's digest */
	uint8_t *have;		      /* a byte a chunk, as in the file */
	size_t n_have;
	int fd, have_fd;
	bool is_doubtful;
	struct hash hash;
	size_t n_hashed;
	uint64_t hashed;
};

void layer_assembly_close(struct layer_assembly *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	if (a->have_fd >= 0)
		close(a->have_fd);
	free(a->list);
	free(a->place);
	free(a->have);
	free(a);
}

static int compare_chunk_positions(const void *a, const void *b, void *arg)
{
	const struct chunk_list *list = arg;
	const struct chunk_position *x = a, *y = b;
	int r = memcmp(list->chunk[x->index].digest,
		       list->chunk[y->index].digest, HASH_SIZE);

	return r ? r : (x->index > y->index) - (x->index < y->index);
}

static int build_chunk_index(struct layer_assembly *a, struct err *e)
{
	uint64_t offset = 0;

	a->place = calloc(a->list->n ? a->list->n : 1, sizeof(*a->place));
	a->have = calloc(1, a->list->n ? a->list->n : 1);
	if (!a->place || !a->have)
		return err_oom(e, "put layer together");
	for (size_t i = 0; i < a->list->n; i++) {
		a->place[i] = (struct chunk_position){ offset, (uint32_t)i };
		offset += a->list->chunk[i].size;
	}
	qsort_r(a->place, a->list->n, sizeof(*a->place),
		compare_chunk_positions, a->list);
	return 0;
}

static int set_storage_error(struct err *e, int code, const char *what)
{
	if (code == ENOSPC || code == EDQUOT)
		return err_reason(e, REASON_STORAGE_FULL, "%s: %s", what,
				  strerror(code));
	return err_sys(e, code, "%s", what);
}

/* Takes the room now: later nobody could say which chunk was too much. */
static int load_partial_layer(struct layer_assembly *a, struct err *e)
{
	ssize_t n;
	int r = posix_fallocate(a->fd, 0, (off_t)a->list->size);

	if (r != 0)
		return set_storage_error(e, r, "make room for a layer");
	n = pread(a->have_fd, a->have, a->list->n, 0);
	if (n < 0)
		return err_sys(e, errno, "read what a layer has");
	for (size_t i = 0; i < (size_t)n; i++) {
		a->have[i] = a->have[i] == 1;
		a->n_have += a->have[i];
	}
	a->is_doubtful = a->n_have > 0;
	return 0;
}

int layer_assembly_open(int dirfd, const char *part, const char *have,
			struct chunk_list *list, struct layer_assembly **ret,
			struct err *e)
{
	AUTO(layer_assembly_closep)
	struct layer_assembly *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_oom(e, "put layer together");
	a->list = list;
	hash_init(&a->hash);
	a->fd = openat(dirfd, part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		       0600);
	a->have_fd = openat(dirfd, have,
			    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = a->fd < 0 || a->have_fd < 0
		    ? set_storage_error(e, errno, "put layer together")
		    : build_chunk_index(a, e);
	if (r == 0)
		r = load_partial_layer(a, e);
	if (r < 0) {
		a->list = NULL; /* stays the caller's */
		return r;
	}
	*ret = steal(a);
	return 0;
}

size_t layer_assembly_next_missing(const struct layer_assembly *a, size_t i)
{
	while (i < a->list->n && a->have[i])
		i++;
	return i;
}

const struct chunk *layer_assembly_get_chunk(const struct layer_assembly *a,
					     size_t i)
{
	return i < a->list->n ? &a->list->chunk[i] : NULL;
}

/* The first place of that digest; the number of places: none. */
static size_t find_chunk_position(const struct layer_assembly *a,
				  const uint8_t digest[HASH_SIZE])
{
	size_t low = 0, high = a->list->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct chunk *c = &a->list->chunk[a->place[mid].index];

		if (memcmp(c->digest, digest, HASH_SIZE) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool has_digest_at(const struct layer_assembly *a, size_t i,
			  const uint8_t digest[HASH_SIZE])
{
	return i < a->list->n &&
	       memcmp(a->list->chunk[a->place[i].index].digest, digest,
		      HASH_SIZE) == 0;
}

static int write_bytes_at(int fd, const void *data, size_t len, uint64_t offset)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* The bytes first, then the note that they are there. */
static int write_chunk_at(struct layer_assembly *a, size_t i, const void *data,
			  struct err *e)
{
	const struct chunk_position *at = &a->place[i];
	int r;

	if (a->have[at->index])
		return 0;
	r = write_bytes_at(a->fd, data, a->list->chunk[at->index].size,
			   at->offset);
	if (r == 0)
		r = write_bytes_at(a->have_fd, "\1", 1, at->index);
	if (r < 0)
		return set_storage_error(e, -r, "write chunk");
	a->have[at->index] = 1;
	a->n_have++;
	return 0;
}

int layer_assembly_add_chunk(struct layer_assembly *a,
			     const uint8_t digest[HASH_SIZE],
			     const void *stored, size_t len, struct err *e)
{
	auto_free void *data = NULL;
	size_t i = find_chunk_position(a, digest);
	const struct chunk *c;
	int r;

	while (has_digest_at(a, i, digest) && a->have[a->place[i].index])
		i++;
	if (!has_digest_at(a, i, digest))
		return 0;
	c = &a->list->chunk[a->place[i].index];
	data = malloc(c->size ? c->size : 1);
	if (!data)
		return err_oom(e, "unpack chunk");
	r = chunk_unpack(c, stored, len, data, e);
	for (; r == 0 && has_digest_at(a, i, digest); i++)
		if (a->list->chunk[a->place[i].index].size == c->size)
			r = write_chunk_at(a, i, data, e);
	return r < 0 ? r : 1;
}

static int read_bytes_at(int fd, void *ret, size_t len, uint64_t offset)
{
	char *at = ret;

	while (len > 0) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int layer_assembly_copy_chunks(struct layer_assembly *a,
			       const struct chunk_list *list, int fd,
			       struct err *e)
{
	uint64_t offset = 0;

	for (size_t i = 0; i < list->n; offset += list->chunk[i++].size) {
		const struct chunk *c = &list->chunk[i];
		size_t at = find_chunk_position(a, c->digest);
		auto_free void *data = NULL;
		int r = 0;

		if (!has_digest_at(a, at, c->digest) ||
		    a->have[a->place[at].index])
			continue;
		data = malloc(c->size ? c->size : 1);
		if (!data)
			return err_oom(e, "copy chunk");
		if (read_bytes_at(fd, data, c->size, offset) < 0)
			return 0; /* then it is fetched */
		for (; r == 0 && has_digest_at(a, at, c->digest); at++)
			if (a->list->chunk[a->place[at].index].size == c->size)
				r = write_chunk_at(a, at, data, e);
		if (r < 0)
			return r;
		a->is_doubtful = true;
	}
	return 0;
}

int layer_assembly_update_digest(struct layer_assembly *a,
				 uint8_t ret[HASH_SIZE], struct err *e)
{
	auto_free void *data = malloc(CHUNK_SIZE_MAX);
	size_t budget = DIGEST_BYTES;

	if (!data)
		return err_oom(e, "digest layer");
	while (a->n_hashed < a->list->n && a->have[a->n_hashed]) {
		const struct chunk *c = &a->list->chunk[a->n_hashed];
		int r;

		if (budget < c->size)
			return -EAGAIN;
		r = read_bytes_at(a->fd, data, c->size, a->hashed);
		if (r < 0)
			return err_sys(e, -r, "read layer");
		hash_add(&a->hash, data, c->size);
		a->hashed += c->size;
		a->n_hashed++;
		budget -= c->size;
	}
	if (a->n_hashed < a->list->n)
		return 0;
	hash_end(&a->hash, ret);
	return 1;
}

bool layer_assembly_has_reused_chunks(const struct layer_assembly *a)
{
	return a->is_doubtful;
}

int layer_assembly_restart(struct layer_assembly *a, struct err *e)
{
	if (ftruncate(a->have_fd, 0) < 0)
		return err_sys(e, errno, "restart layer");
	memset(a->have, 0, a->list->n);
	a->n_have = a->n_hashed = 0;
	a->hashed = 0;
	a->is_doubtful = false;
	hash_init(&a->hash);
	return 0;
}

int layer_assembly_sync(struct layer_assembly *a, struct err *e)
{
	return fsync(a->fd) < 0 ? err_sys(e, errno, "sync layer") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/blob.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDERS 256 /* by the first byte of the digest */
/* More takes too long to be looked at each time it is asked for. */
#define CHECKED_MAX (4 * 1024 * 1024)
#define NAME_SIZE (sizeof("ab/") + 2 * HASH_SIZE)

struct blobs {
	int dirfd;
	uint64_t temp; /* counts temporary names */
	bool dirty[FOLDERS], any_dirty;
};

struct blob_sink {
	struct blobs *blobs;
	struct hash *hash;
	int fd;
	uint64_t size;
	char temp[32];
};

void blob_free(struct blobs *b)
{
	if (!b)
		return;
	if (b->dirfd >= 0)
		close(b->dirfd);
	free(b);
}

/* What a crash left half written has no name that anybody asks for. */
static int remove_temporary_files(const struct blobs *b, struct err *e)
{
	auto_closedir DIR *dir = NULL;
	struct dirent *de;
	int fd = openat(b->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return err_sys(e, errno, "read the chunk store");
	while ((de = readdir(dir)))
		if (strncmp(de->d_name, "new.", 4) == 0)
			unlinkat(b->dirfd, de->d_name, 0);
	return 0;
}

int blob_open(const char *dir, struct blobs **ret, struct err *e)
{
	auto_free char *path = io_join(dir, "chunks");
	struct blobs *b;
	int r;

	if (!path)
		return err_oom(e, "open the chunk store");
	r = io_mkdirs(path, 0700, e);
	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_oom(e, path);
	b->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dirfd < 0)
		r = err_sys(e, errno, "open %s", path);
	for (unsigned int i = 0; r == 0 && i < FOLDERS; i++) {
		char name[3];

		snprintf(name, sizeof(name), "%02x", i);
		if (mkdirat(b->dirfd, name, 0700) < 0 && errno != EEXIST)
			r = err_sys(e, errno, "make %s/%s", path, name);
	}
	if (r == 0)
		r = remove_temporary_files(b, e);
	if (r == 0 && fsync(b->dirfd) < 0)
		r = err_sys(e, errno, "sync %s", path);
	if (r < 0)
		blob_free(b);
	else
		*ret = b;
	return r;
}

static void format_chunk_path(const uint8_t digest[HASH_SIZE],
			      char ret[NAME_SIZE])
{
	encoding_to_hex(digest, 1, ret);
	ret[2] = '/';
	encoding_to_hex(digest, HASH_SIZE, ret + 3);
}

bool blob_has(const struct blobs *b, const uint8_t digest[HASH_SIZE])
{
	char name[NAME_SIZE];

	format_chunk_path(digest, name);
	return faccessat(b->dirfd, name, F_OK, 0) == 0;
}

/* -ENOENT: the bytes are others, and the file is gone. */
static int verify_chunk_digest(int dirfd, int fd,
			       const uint8_t digest[HASH_SIZE], struct err *e)
{
	uint8_t have[HASH_SIZE];
	char name[NAME_SIZE];
	int r = hash_fd(fd, have);

	format_chunk_path(digest, name);
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, r < 0 ? -r : errno, "read chunk %s",
			       name + 3);
	if (memcmp(have, digest, HASH_SIZE) == 0)
		return 0;
	/* Else a push would be answered that it is here. */
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove the damaged chunk %s",
			       name + 3);
	log_error("chunk sha256:%s was damaged and is thrown away: push the "
		  "image again",
		  name + 3);
	return err_set(e, ENOENT, "chunk %s is not here: it was damaged",
		       name + 3);
}

int blob_read(const struct blobs *b, const uint8_t digest[HASH_SIZE],
	      int *ret_fd, uint64_t *ret_size, struct err *e)
{
	auto_close int fd = -1;
	char name[NAME_SIZE];
	struct stat st;

	format_chunk_path(digest, name);
	fd = openat(b->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ENOENT, "chunk %s is not here", name + 3);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, EIO, "open chunk %s", name + 3);
	if (st.st_size <= CHECKED_MAX) {
		int r = verify_chunk_digest(b->dirfd, fd, digest, e);

		if (r < 0)
			return r;
	}
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = steal_fd(fd);
	return 0;
}

static int verify_chunk_file(int dirfd, const char *folder, const char *name,
			     struct blob_verify_result *found, struct err *e)
{
	auto_free char *path = io_join(folder, name);
	uint8_t digest[HASH_SIZE];
	auto_close int fd = -1;
	int r;

	if (!path)
		return err_oom(e, name);
	if (strlen(name) != (size_t)2 * HASH_SIZE ||
	    encoding_from_hex(name, digest, HASH_SIZE) < 0)
		return 0;
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, errno, "open chunk %s", name);
	r = verify_chunk_digest(dirfd, fd, digest, e);
	found->good += r == 0;
	found->removed += r == -ENOENT;
	return r == -ENOENT ? 0 : r;
}

static int verify_chunk_folder(int dirfd, const char *folder,
			       struct blob_verify_result *found, struct err *e)
{
	int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	int r = 0;

	if (!dir)
		return errno == ENOENT
			       ? 0
			       : err_sys(e, errno, "read %s of the chunk store",
					 folder);
	while (r == 0 && (de = readdir(dir)))
		r = verify_chunk_file(dirfd, folder, de->d_name, found, e);
	return r;
}

int blob_verify(const char *dir, struct blob_verify_result *ret, struct err *e)
{
	auto_free char *path = io_join(dir, "chunks");
	struct blob_verify_result found = { 0 };
	auto_close int dirfd = -1;
	int r = 0;

	if (!path)
		return err_oom(e, dir);
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, errno, "open %s", path);
	for (unsigned int i = 0; r == 0 && i < FOLDERS; i++) {
		char name[3];

		snprintf(name, sizeof(name), "%02x", i);
		r = verify_chunk_folder(dirfd, name, &found, e);
	}
	if (r == 0)
		*ret = found;
	return r;
}

int blob_sink_new(struct blobs *b, struct blob_sink **ret, struct err *e)
{
	struct blob_sink *k = calloc(1, sizeof(*k));

	if (!k)
		return err_oom(e, "store a chunk");
	k->fd = -1;
	k->blobs = b;
	k->hash = hash_new();
	snprintf(k->temp, sizeof(k->temp), "new.%llu",
		 (unsigned long long)b->temp++);
	k->fd = openat(b->dirfd, k->temp,
		       O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (k->fd < 0 || !k->hash) {
		int code = errno;

		blob_sink_free(k);
		return err_sys(e, code == ENOSPC ? ENOSPC : EIO,
			       "store a chunk");
	}
	*ret = k;
	return 0;
}

void blob_sink_free(struct blob_sink *k)
{
	if (!k)
		return;
	if (k->fd >= 0) {
		close(k->fd);
		unlinkat(k->blobs->dirfd, k->temp, 0);
	}
	hash_free(k->hash);
	free(k);
}

int blob_sink_add(struct blob_sink *k, const void *data, size_t len,
		  struct err *e)
{
	int r;

	k->size += len;
	if (k->size > BLOB_MAX)
		return err_reason(e, REASON_TOO_LARGE, "more than %d bytes",
				  BLOB_MAX);
	hash_add(k->hash, data, len);
	r = io_write_all(k->fd, data, len);
	if (r == -ENOSPC)
		return err_reason(e, REASON_STORAGE_FULL,
				  "the server's chunk store is full");
	return r < 0 ? err_sys(e, EIO, "write a chunk") : 0;
}

int blob_sink_end(struct blob_sink *k, const uint8_t digest[HASH_SIZE],
		  struct err *e)
{
	uint8_t have[HASH_SIZE];
	char name[NAME_SIZE];

	hash_end(k->hash, have);
	hash_free(steal(k->hash));
	format_chunk_path(digest, name);
	if (memcmp(have, digest, HASH_SIZE) != 0)
		return err_reason(e, REASON_CHUNK,
				  "the bytes are not those of %s", name + 3);
	if (fdatasync(k->fd) < 0 ||
	    renameat(k->blobs->dirfd, k->temp, k->blobs->dirfd, name) < 0)
		return err_sys(e, EIO, "store chunk %s", name + 3);
	close(k->fd);
	k->fd = -1;
	k->blobs->dirty[digest[0]] = k->blobs->any_dirty = true;
	return 0;
}

int blob_sync(struct blobs *b, struct err *e)
{
	if (!b->any_dirty)
		return 0;
	for (unsigned int i = 0; i < FOLDERS; i++) {
		auto_close int fd = -1;
		char name[3];

		if (!b->dirty[i])
			continue;
		snprintf(name, sizeof(name), "%02x", i);
		fd = openat(b->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || fsync(fd) < 0)
			return err_sys(e, EIO, "sync the chunk store");
		b->dirty[i] = false;
	}
	b->any_dirty = false;
	return 0;
}

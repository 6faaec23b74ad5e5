/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes of files and descriptors, bounded and durable. */
#ifndef LIB_IO_H
#define LIB_IO_H

#include <stddef.h>
#include <sys/types.h>

struct err;

/* Writes all of it. Returns 0 or -errno. */
int io_write_all(int fd, const void *data, size_t len);

/*
 * Reads to the end into *ret, which the caller frees and which has a NUL behind
 * its *ret_len bytes. -EFBIG: there is more than max.
 */
int io_read_fd(int fd, const char *name, size_t max, char **ret,
	       size_t *ret_len, struct err *e);

/* The same by name; "-" is standard input. -ENOENT: there is no such file. */
int io_read_file(const char *path, size_t max, char **ret, size_t *ret_len,
		 struct err *e);

/*
 * Replaces a file durably: new name, write, fsync, rename, fsync of the folder.
 * A crash or a failure leaves the old or the new, whole.
 */
int io_replace_file(const char *path, const void *data, size_t len, mode_t mode,
		    struct err *e);

/*
 * The same but for its last step, which is io_sync_folder(). *ret: what was
 * written, at its end.
 */
int io_replace_fd(const char *path, const void *data, size_t len, mode_t mode,
		  int *ret, struct err *e);

/* Syncs the folder that the file lies in. */
int io_sync_folder(const char *path, struct err *e);

/*
 * Makes a file for its owner alone, durably, whole or not at all. -EEXIST:
 * there is one.
 */
int io_make_file(int dir, const char *name, const void *data, size_t len,
		 struct err *e);

/* Makes an empty file if it is not there. It outlives us, not a power cut. */
int io_create_empty(const char *path, mode_t mode, struct err *e);

/* mkdir -p with `mode` for what it makes. */
int io_mkdirs(const char *path, mode_t mode, struct err *e);

/* "dir/name", which the caller frees; NULL when out of memory. */
char *io_join(const char *dir, const char *name);

#endif

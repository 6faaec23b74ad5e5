/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes of files and descriptors, bounded and durable. */
#ifndef LIB_IO_H
#define LIB_IO_H

#include <stddef.h>
#include <sys/types.h>

struct err;

/* Writes all bytes. Returns 0 or -errno. */
int io_write_all(int fd, const void *data, size_t len);

/*
 * Reads to the end into *ret, which the caller frees and which has a NUL after
 * its *ret_len bytes. -EFBIG: there are more than max bytes.
 */
int io_read_fd(int fd, const char *name, size_t max, char **ret,
	       size_t *ret_len, struct err *e);

/*
 * The same for a file name; "-" is standard input. -ENOENT: there is no such
 * file.
 */
int io_read_file(const char *path, size_t max, char **ret, size_t *ret_len,
		 struct err *e);

/*
 * Replaces a file durably: new name, write, fsync, rename, fsync of the folder.
 * After a crash or a failure, the file has either the old or the new content.
 */
int io_replace_file(const char *path, const void *data, size_t len, mode_t mode,
		    struct err *e);

/*
 * The same without the last step, which is io_sync_folder(). *ret is the file,
 * positioned at its end.
 */
int io_replace_fd(const char *path, const void *data, size_t len, mode_t mode,
		  int *ret, struct err *e);

/* Syncs the folder of the file. */
int io_sync_folder(const char *path, struct err *e);

/*
 * Creates a file that only its owner can read, durably and completely or not at
 * all. -EEXIST: it exists.
 */
int io_make_file(int dir, const char *name, const void *data, size_t len,
		 struct err *e);

/*
 * Creates an empty file if it does not exist. It survives the process but not a
 * power cut.
 */
int io_create_empty(const char *path, mode_t mode, struct err *e);

/* Like mkdir -p; new folders have `mode`. */
int io_mkdirs(const char *path, mode_t mode, struct err *e);

/* "dir/name", which the caller frees; NULL when out of memory. */
char *io_join(const char *dir, const char *name);

#endif

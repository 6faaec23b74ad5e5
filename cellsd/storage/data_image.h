/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A data image: a file with an ext4 file system that knows fscrypt, for the
 * data of one VP, mounted through a loop device (the medium "vault" of
 * cellsctl(1)). Its size is the VP's storage-max, which so holds without quotas
 * of the host's file system; what one VP does to its file system does not reach
 * another's trouble; and a sync or a wipe waits for nobody else's writes.
 */
#ifndef CELLSD_STORAGE_DATA_IMAGE_H
#define CELLSD_STORAGE_DATA_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

/* What is asked for below this gets this: ext4 with a journal needs room. */
#define DATA_IMAGE_SIZE_MIN (UINT64_C(16) * 1024 * 1024)

struct err;

/* Makes dir/name, whole or not at all. `max` 0: as large as what it is on.
 * -EEXIST: there is one. */
int data_image_create(int dir, const char *name, uint64_t max, struct err *e);

/* Sets aside what it does not take of the disk yet; err.storage-full. Where the
 * file system cannot, nothing is. */
int data_image_reserve(int dir, const char *name, struct err *e);

/* Bytes that it takes of the disk, and whether it may take more; 0: none. */
uint64_t data_image_get_usage(int dir, const char *name, bool *ret_grows);

/*
 * Mends it where it was not unmounted in order, or had an error (e2fsck). It
 * must not be mounted. err.vp-state: it could not all be mended without a loss.
 */
int data_image_fsck(int dir, const char *name, struct err *e);
/* Was there an error since it was mounted? */
bool data_image_has_error(int dir, const char *name);

/* Does a loop device have it? */
int data_image_is_attached(int dir, const char *name, bool *ret, struct err *e);

/* Its mount, not attached yet. -ENOENT: there is no such vault. A vault that is
 * still mounted somewhere (by VPs, after a restart) is the same one.
 * `reserved`: what is deleted in it stays set aside. */
int data_image_mount(int dir, const char *name, bool reserved, int *ret,
		     struct err *e);

/* Grows a mounted vault to `max`; one that is larger stays as it is. */
int data_image_grow(int dir, const char *name, int mount, uint64_t max,
		    struct err *e);

/* Is it larger than it should be? It holds less only after a wipe. */
bool data_image_exceeds_limit(int dir, const char *name, uint64_t max);

#endif

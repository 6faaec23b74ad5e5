/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted folders of ext4 and f2fs: fscrypt's v2 policies (linux/fscrypt.h,
 * Documentation/filesystems/fscrypt.rst). Contents are AES-256-XTS, names
 * AES-256-CTS. `fd` is any file of the file system.
 */
#ifndef CELLSD_STORAGE_FSCRYPT_H
#define CELLSD_STORAGE_FSCRYPT_H

#include <stdbool.h>
#include <stdint.h>

#include "cellsd/storage/keyslots.h"

struct err;
struct secure_memory;

bool fscrypt_is_supported(int fd);

/* Gives the kernel the key, whose identifier must be that. */
int fscrypt_add_key(int fd, const struct secure_memory *key,
		    const uint8_t id[KEYSLOTS_ID_SIZE], struct err *e);

/* Encrypts an empty folder with the key; done before is not an error. */
int fscrypt_set_policy(int dir, const uint8_t id[KEYSLOTS_ID_SIZE],
		       struct err *e);

/* Can the data be read by that key now? */
bool fscrypt_has_key(int fd, const uint8_t id[KEYSLOTS_ID_SIZE]);

/*
 * Takes the key from the kernel, which writes all data back before that, and
 * makes sure that it is gone. -EBUSY: files
 * are open, or a mount holds on to some; what they are can still be read.
 */
int fscrypt_remove_key(int fd, const uint8_t id[KEYSLOTS_ID_SIZE],
		       struct err *e);

#endif

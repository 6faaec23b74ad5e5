/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restores the key of a locked VP: decrypts the recovery slot in the latest
 * receipt of a lock with the recovery key, and encrypts the key to the device's
 * receipt key (lib/crypto/key_recovery.h). The VP's key never leaves this
 * process.
 */
#ifndef CELLSADM_TRUST_RECOVERY_H
#define CELLSADM_TRUST_RECOVERY_H

#include <stddef.h>

struct adm;
struct err;

/* `name` is the recovery key's, as of --key; its password comes after those of
 * the signing keys. *ret is the caller's to free. -ENOENT: no such receipt. */
int recovery_seal_key(struct adm *a, const char *device, const char *vp,
		      const char *name, char **ret, size_t *ret_len,
		      struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery of a VP's data key on a device that no longer has it. The device
 * encrypts the data key to the organisation's `<recovery>` key, which the root
 * names (the recovery slot), and includes the result in the receipt of a lock.
 * The organisation decrypts it and encrypts the data key to the device's
 * receipt key, in an unlock command. Both use HPKE (lib/crypto/hpke.h) with
 * this info and aad:
 *
 *   recovery slot  info "cells-recovery-slot"
 *                  aad "cells-slot|recovery|<vp>|<number>|<identifier in hex>"
 *   sealed key     info "cells-sealed-key"
 *                  aad "cells-sealed-key|<device>|<epoch>|<vp>"
 */
#ifndef LIB_CRYPTO_KEY_RECOVERY_H
#define LIB_CRYPTO_KEY_RECOVERY_H

#include <stdint.h>

#include "lib/crypto/hpke.h"

#define KEY_RECOVERY_KEY_SIZE 64
#define KEY_RECOVERY_BOX_SIZE (KEY_RECOVERY_KEY_SIZE + HPKE_OVERHEAD)

struct err;
struct key;

/* The owner of the key, as in the receipt of a lock. */
struct key_recovery_vp {
	const char *vp, *id; /* the identifier in hex */
	uint32_t number;     /* of the VP's range of ids */
};

/*
 * Encrypts to the organisation. -EINVAL: a name is too long, or the key is not
 * a point of the curve.
 */
int key_recovery_wrap(const struct key_recovery_vp *v,
		      const uint8_t to[HPKE_PUBLIC_KEY_SIZE],
		      const uint8_t key[KEY_RECOVERY_KEY_SIZE],
		      uint8_t ret[KEY_RECOVERY_BOX_SIZE], struct err *e);
/* -EACCES: not encrypted to this key, or the key of another VP. */
int key_recovery_unwrap(const struct key_recovery_vp *v,
			const struct key *recovery,
			const uint8_t box[KEY_RECOVERY_BOX_SIZE],
			uint8_t ret[KEY_RECOVERY_KEY_SIZE], struct err *e);

struct key_recovery_device {
	const char *device, *epoch, *vp;
};

/*
 * Encrypts to the device with this receipt key; the public half is sufficient.
 */
int key_recovery_seal(const struct key_recovery_device *d,
		      const struct key *receipts,
		      const uint8_t key[KEY_RECOVERY_KEY_SIZE],
		      uint8_t ret[KEY_RECOVERY_BOX_SIZE], struct err *e);
/* -EACCES: not encrypted to this key, or for another device, epoch or VP. */
int key_recovery_unseal(const struct key_recovery_device *d,
			const struct key *receipts, const void *box, size_t len,
			uint8_t ret[KEY_RECOVERY_KEY_SIZE], struct err *e);

#endif

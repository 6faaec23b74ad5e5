/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key with which a device signs its receipts, and how it is confirmed:
 * "bound" by an enrollment token of this machine (neither the server nor the
 * agent can have replaced the key), or by the server's CA only.
 */
#ifndef CELLSADM_TRUST_DEVICE_KEY_H
#define CELLSADM_TRUST_DEVICE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/crypto/key.h"
#include "lib/json.h"

struct adm;
struct err;

struct device_key {
	struct key *key;
	char device[65], epoch[33];
	bool bound;
	bool given; /* by the caller: --key */
};

void device_key_fini(struct device_key *b);

/* "bound", "server CA only", "given". */
const char *device_key_trust_name(const struct device_key *b);

/* What is kept here. -ENOENT: nothing on that device and epoch. */
int device_key_load(struct adm *a, const char *device, const char *epoch,
		    struct device_key *ret, struct err *e);

/*
 * Tests one entry of devices/{device}/keys: the ids fit the keys; the token
 * (NULL: the ones kept here) gives `bind`; without one, the certificate is by a
 * CA that the root names. err.signature: the binding is wrong, which is an
 * alarm.
 */
int device_key_verify(struct adm *a, const json_t *entry,
		      const uint8_t token[32], struct device_key *ret,
		      struct err *e);

/* Kept, or else asked from the server, checked and kept. epoch may be NULL. */
int device_key_get(struct adm *a, const char *device, const char *epoch,
		   struct device_key *ret, struct err *e);

/* Keeps a token under the id that the server gave its enrollment. */
int device_key_save_token(struct adm *a, const char *enrollment,
			  const uint8_t token[32], const char *group,
			  struct err *e);

#endif

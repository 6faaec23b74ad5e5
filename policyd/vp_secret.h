/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What policyd opens for a VP and hands to cellsd in sealed memory, keeping
 * nothing: the data key that an unlock command carries, and the secrets of a
 * config whose password was just given.
 */
#ifndef POLICYD_VP_SECRET_H
#define POLICYD_VP_SECRET_H

#include <stddef.h>

#include "lib/document/doc.h"

struct device_client;
struct err;
struct identity;
struct password_crypto_key;

/* A memfd with the key that was sealed to this device for this VP.
 * err.password: to another, or changed since. */
int vp_secret_open_key(const struct identity *id, const char *vp,
		       const void *sealed, size_t len, int *ret, struct err *e);

/* Sends a config's secrets on their way; what cellsd says to it is logged. */
int vp_secret_send_secrets(struct device_client *device,
			   const struct doc_vp_config *c,
			   const struct password_crypto_key *k, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enrollment URIs:
 * cells://host:port/?t=TOKEN&root=SHA256&ca=SHA256&group=ID:MIN TOKEN, root and
 * ca are 64 hex digits; the token never leaves the device and the
 * administrator's machine, only what is derived from it.
 */
#ifndef LIB_DOCUMENT_ENROLL_URI_H
#define LIB_DOCUMENT_ENROLL_URI_H

#include <stdint.h>

#include "lib/crypto/hash.h"

struct err;

struct enroll_uri {
	char host[256];
	uint16_t port;
	uint8_t token[32];
	uint8_t root[HASH_SIZE], ca[HASH_SIZE];
	char group[65];
	uint32_t group_min;
};

/* -EINVAL: anything but exactly that form, in any order of parameters. */
int enroll_uri_parse(const char *s, struct enroll_uri *ret, struct err *e);
/* The caller frees *ret. */
int enroll_uri_format(const struct enroll_uri *u, char **ret, struct err *e);

/* HMAC-SHA256(token, "admit"). */
void enroll_uri_compute_admit(const struct enroll_uri *u,
			      uint8_t ret[HASH_SIZE]);
/* HMAC-SHA256(token, "bind" || identity SPKI || receipts SPKI). */
void enroll_uri_compute_bind(const struct enroll_uri *u, const void *identity,
			     size_t identity_len, const void *receipts,
			     size_t receipts_len, uint8_t ret[HASH_SIZE]);

#endif

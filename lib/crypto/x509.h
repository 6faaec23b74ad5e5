/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: requests (PKCS#10), issuing and reading. */
#ifndef LIB_CRYPTO_X509_H
#define LIB_CRYPTO_X509_H

#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"

struct err;

/*
 * Creates a request signed by k. The caller frees *ret_pem. -EINVAL: the name
 * has more than 64 characters, or characters other than letters, digits and "
 * ._-:@".
 */
int x509_request(const struct key *k, const char *common_name, char **ret_pem,
		 struct err *e);

/*
 * Returns the key of a request after its signature was verified: -EKEYREJECTED.
 * The caller frees *ret.
 */
int x509_request_key(const char *pem, struct key **ret, struct err *e);

enum x509_usage { X509_CA, X509_SERVER, X509_CLIENT };

struct x509_spec {
	enum x509_usage usage;
	const char *common_name;
	const char *const
		*names; /* DNS names and IP addresses of a server, NULL ends */
	int64_t not_before, not_after; /* seconds since 1970 */
};

/* issuer_pem NULL: self-signed by issuer_key. Serials are random (RFC 5280,
 * 4.1.2.2). The caller frees *ret_pem. -EINVAL: the issuer's key is
 * another, or a name or a time out of bounds. */
int x509_issue(const struct x509_spec *spec, const struct key *subject,
	       const struct key *issuer_key, const char *issuer_pem,
	       char **ret_pem, struct err *e);

/* The SHA-256 of the DER of the first certificate in pem. */
int x509_digest(const char *pem, uint8_t ret[HASH_SIZE], struct err *e);
/* The validity of the first certificate, in seconds since 1970. */
int x509_validity(const char *pem, int64_t *ret_not_before,
		  int64_t *ret_not_after, struct err *e);
/*
 * The key of the first certificate, which the caller frees. -EINVAL: it is not
 * a P-256 key.
 */
int x509_key(const char *pem, struct key **ret, struct err *e);
/*
 * Verifies that ca_pem signed the first certificate of pem and that both are
 * currently valid. -EKEYREJECTED, -ETIME.
 */
int x509_check(const char *pem, const char *ca_pem, int64_t now, struct err *e);

#endif

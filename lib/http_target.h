/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of an HTTPS request: its address, its trust anchor and the
 * identity of the client. All texts are borrowed.
 */
#ifndef LIB_HTTP_TARGET_H
#define LIB_HTTP_TARGET_H

#include <stdint.h>

struct http_target {
	const char *host;
	uint16_t port;
	const char *ca_pem; /* NULL: ca_digest pins the chain's CA instead */
	const uint8_t *ca_digest;	/* HASH_SIZE bytes or NULL */
	const char *cert_pem, *key_pem; /* client's own; NULL: none */
	const char *token;		/* Authorization: Bearer; NULL: none */
	unsigned int timeout;		/* seconds without progress; 0: 30 */
	const char *proxy; /* its URL; "": none. NULL: what the environment
			    * says: https_proxy, all_proxy, no_proxy */
};

#endif

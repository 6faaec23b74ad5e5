/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own keys: the CA that certifies devices and the server itself,
 * and the director's, which signs snapshots and tree heads. None of them can
 * sign a policy, an image or a command.
 */
#ifndef MGMT_SERVER_STORE_PKI_H
#define MGMT_SERVER_STORE_PKI_H

#include <stdint.h>

#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"

struct err;
struct pki;

#define PKI_DEVICE_DAYS 90

/* Makes all keys and certificates in the folder. */
int pki_create(const char *dir, const char *org, const char *const *hosts,
	       struct err *e);
/* Loads them; a server certificate near its end is issued again. */
int pki_open(const char *dir, struct pki **ret, struct err *e);
void pki_free(struct pki *p);

/* Issues the server's certificate again if it is near its end: 1. */
int pki_renew_server(const struct pki *p, struct err *e);

const char *pki_ca_pem(const struct pki *p);
const uint8_t *pki_ca_digest(const struct pki *p);
const struct key *pki_director_key(const struct pki *p);

/* From when to when they are valid; the server's as the file is now. */
int pki_get_ca_validity(const struct pki *p, int64_t *ret_begin,
			int64_t *ret_end, struct err *e);
int pki_get_server_validity(const struct pki *p, int64_t *ret_begin,
			    int64_t *ret_end, struct err *e);

/* Paths for libwebsockets, which reads the files itself. */
const char *pki_server_cert_path(const struct pki *p);
const char *pki_server_key_path(const struct pki *p);
const char *pki_ca_path(const struct pki *p);

/* A client certificate of PKI_DEVICE_DAYS; the caller frees *ret_pem. */
int pki_issue_client(const struct pki *p, const char *common_name,
		     const struct key *subject, char **ret_pem, struct err *e);

static inline void pki_freep(struct pki **p)
{
	pki_free(*p);
}

#endif

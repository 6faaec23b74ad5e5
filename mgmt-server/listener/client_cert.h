/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which device a TLS client is: by a certificate of our CA, in its time, for
 * clients, of an active device, and over the key of the epoch in force. A
 * certificate whose only fault is its age may ask for its renewal.
 */
#ifndef MGMT_SERVER_LISTENER_CLIENT_CERT_H
#define MGMT_SERVER_LISTENER_CLIENT_CERT_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct alarms;
struct db;
struct err;
struct metrics;
struct ratelimit;

/* Where devices are looked up, and what counts refusals; borrowed. */
struct client_cert_verifier {
	struct db *db;
	struct metrics *metrics;
	struct ratelimit *limit; /* of the log */
	struct alarms *alarms;
};

struct client_cert {
	char device[65]; /* the common name */
	bool is_expired;
};

/*
 * One call of OpenSSL's verification, SSL_CTX_set_verify(3); `preverified` is
 * its own verdict. False ends the handshake: that is counted, and an alarm of
 * the device that the certificate names.
 */
bool client_cert_verify(const struct client_cert_verifier *v,
			X509_STORE_CTX *ctx, bool preverified,
			const char *from);

/*
 * The device of a connection whose handshake went through: asked at each
 * request, since a device can be retired, and a session resumed without a
 * verification (RFC 8446, section 2.2). -EACCES: none that may connect.
 */
int client_cert_get_device(struct db *db, const SSL *ssl,
			   struct client_cert *ret, struct err *e);

#endif

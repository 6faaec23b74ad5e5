/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/listener/client_cert.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/core/alarm.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/ratelimit.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <string.h>

#define LOG_RATE 1 /* refused handshakes a second that the log reports */
#define LOG_BURST 10

static void certificate_freep(X509 **cert)
{
	X509_free(*cert);
}

static void public_key_freep(unsigned char **spki)
{
	OPENSSL_free(*spki);
}

/* "": it has none, or one that is not a device's. */
static void read_common_name(const X509 *cert, char ret[65])
{
	int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
					  NID_commonName, ret, 65);

	if (n < 0 || strlen(ret) != (size_t)n)
		ret[0] = '\0';
}

/* -1: not yet valid; 1: expired. By the server's clock, as all times are. */
static int compare_validity_period(const X509 *cert)
{
	time_t now = (time_t)clock_wall();

	if (X509_cmp_time(X509_get0_notBefore(cert), &now) >= 0)
		return -1;
	return X509_cmp_time(X509_get0_notAfter(cert), &now) <= 0;
}

/* A certificate without the extension would be for everything (RFC 5280,
 * section 4.2.1.12); ours all have it. */
static bool has_client_auth_usage(X509 *cert)
{
	return (X509_get_extension_flags(cert) & EXFLAG_XKUSAGE) &&
	       (X509_get_extended_key_usage(cert) & XKU_SSL_CLIENT);
}

/* -ENOENT: there is no such device; -EPERM: it has that key, and is retired. */
static int check_device_key(struct db *db, const char *device, const X509 *cert,
			    struct err *e)
{
	AUTO(public_key_freep) unsigned char *spki = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
	AUTO(db_done) struct db_row *row = NULL;
	bool is_same, is_active;
	const void *have;
	size_t have_len;
	int r = db_first(db, &row, e,
			 "SELECT p.identity_spki, d.state = 'active' FROM"
			 " device AS d JOIN epoch AS p ON p.device = d.id AND"
			 " p.epoch = d.epoch WHERE d.id = ?",
			 "s", device);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, ENOENT, "there is no device %.64s", device);
	have = db_blob(row, 0, &have_len);
	is_active = db_bool(row, 1);
	is_same = len > 0 && have_len == (size_t)len &&
		  memcmp(have, spki, have_len) == 0;
	if (!is_same)
		return err_set(e, EACCES, "its key is not the device's");
	return is_active ? 0 : err_set(e, EPERM, "the device is retired");
}

/* Everything but who signed it. */
static int check_device_certificate(struct db *db, X509 *cert,
				    struct client_cert *ret, struct err *e)
{
	int when = compare_validity_period(cert);

	read_common_name(cert, ret->device);
	ret->is_expired = when > 0;
	if (when < 0)
		return err_set(e, EACCES, "it is not yet valid");
	if (!has_client_auth_usage(cert))
		return err_set(e, EACCES, "it is not for clients");
	return check_device_key(db, ret->device, cert, e);
}

/* Times are compared by compare_validity_period(): OpenSSL knows the system's
 * clock. */
static int check_certificate_chain(const X509_STORE_CTX *ctx, bool preverified,
				   struct err *e)
{
	int code = X509_STORE_CTX_get_error(ctx);
	const X509 *cert = X509_STORE_CTX_get_current_cert(ctx);

	if (!preverified && code != X509_V_ERR_CERT_HAS_EXPIRED &&
	    code != X509_V_ERR_CERT_NOT_YET_VALID)
		return err_set(e, EACCES, "%s",
			       X509_verify_cert_error_string(code));
	if (X509_STORE_CTX_get_error_depth(ctx) > 0 &&
	    compare_validity_period(cert) != 0)
		return err_set(e, EACCES, "the CA is not in its time");
	return 0;
}

static void report_refused_certificate(const struct client_cert_verifier *v,
				       X509 *cert, const char *from,
				       const struct err *why)
{
	char device[65], text[320];

	v->metrics->identities_refused++;
	read_common_name(cert, device);
	if (ratelimit_allow(v->limit, "refused identities", LOG_RATE, LOG_BURST,
			    clock_mono_ns()))
		log_warning("device port: %s, certificate of '%s': %s", from,
			    device, why->text);
	snprintf(text, sizeof(text),
		 "a connection was refused whose certificate names the device:"
		 " %.200s",
		 why->text);
	alarm_raise(v->alarms, device, text);
}

bool client_cert_verify(const struct client_cert_verifier *v,
			X509_STORE_CTX *ctx, bool preverified, const char *from)
{
	X509 *cert = X509_STORE_CTX_get0_cert(ctx);
	struct client_cert who;
	struct err e = { 0 };
	int r = check_certificate_chain(ctx, preverified, &e);

	/* The last call is for the client's own, after its chain held. */
	if (r == 0 && preverified && X509_STORE_CTX_get_error_depth(ctx) == 0)
		r = check_device_certificate(v->db, cert, &who, &e);
	if (r == 0)
		return true;
	/* A retired device that still tries is itself, and no alarm. */
	if (r == -EPERM)
		v->metrics->identities_refused++;
	else
		report_refused_certificate(v, cert, from, &e);
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
	return false;
}

int client_cert_get_device(struct db *db, const SSL *ssl,
			   struct client_cert *ret, struct err *e)
{
	AUTO(certificate_freep)
	X509 *cert = ssl ? SSL_get1_peer_certificate(ssl) : NULL;

	*ret = (struct client_cert){ 0 };
	if (!cert)
		return err_set(e, EACCES, "no certificate was sent");
	return check_device_certificate(db, cert, ret, e);
}

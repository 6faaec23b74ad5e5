/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/x509.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>
#include <string.h>
#include <time.h>

#define PEM_MAX 8192
#define SERIAL_SIZE 16
#define NAMES_DER_MAX 2048
#define DNS_NAME_MAX 253
#define CN_MAX 64
#define CN_SIZE (sizeof("CN=") + CN_MAX)
#define TIME_SIZE sizeof("YYYYMMDDhhmmss")

#define auto_crt AUTO(mbedtls_x509_crt_free)
#define auto_csr AUTO(mbedtls_x509_csr_free)

static int report_x509_error(struct err *e, const char *what, int r)
{
	char why[128];

	mbedtls_strerror(r, why, sizeof(why));
	return err_set(e, r == MBEDTLS_ERR_X509_ALLOC_FAILED ? ENOMEM : EINVAL,
		       "%s: %s", what, why);
}

/* "CN=name"; what mbedtls would read as more than a name is refused. */
static int format_common_name(const char *name, char ret[CN_SIZE],
			      struct err *e)
{
	size_t n = strlen(name);
	bool good = n > 0 && n <= CN_MAX;

	for (const char *p = name; good && *p; p++)
		good = isalnum((unsigned char)*p) || strchr(" ._-:@", *p);
	if (!good)
		return err_set(e, EINVAL,
			       "certificate: common name '%.70s' is not valid",
			       name);
	snprintf(ret, CN_SIZE, "CN=%s", name);
	return 0;
}

int x509_request(const struct key *k, const char *common_name, char **ret_pem,
		 struct err *e)
{
	AUTO(mbedtls_x509write_csr_free) mbedtls_x509write_csr csr;
	unsigned char pem[PEM_MAX];
	char cn[CN_SIZE];
	int r;

	mbedtls_x509write_csr_init(&csr);
	r = format_common_name(common_name, cn, e);
	if (r < 0)
		return r;
	mbedtls_x509write_csr_set_md_alg(&csr, MBEDTLS_MD_SHA256);
	mbedtls_x509write_csr_set_key(&csr, key_pk(k));
	r = mbedtls_x509write_csr_set_subject_name(&csr, cn);
	if (r == 0)
		r = mbedtls_x509write_csr_pem(&csr, pem, sizeof(pem), key_rng,
					      NULL);
	if (r != 0)
		return report_x509_error(e, "write certificate request", r);
	*ret_pem = strdup((char *)pem);
	return *ret_pem ? 0 : err_oom(e, "write certificate request");
}

/* A key of ours from one that mbedtls parsed. */
static int convert_public_key(mbedtls_pk_context *pk, struct key **ret,
			      struct err *e)
{
	unsigned char der[KEY_SPKI_MAX * 8];
	int n = mbedtls_pk_write_pubkey_der(pk, der, sizeof(der));

	if (n < 0)
		return report_x509_error(e, "read certificate's key", n);
	return key_from_spki(der + sizeof(der) - n, (size_t)n, ret, e);
}

int x509_request_key(const char *pem, struct key **ret, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_csr mbedtls_x509_csr csr;
	uint8_t digest[HASH_SIZE];
	int r;

	mbedtls_x509_csr_init(&csr);
	r = mbedtls_x509_csr_parse(&csr, (const unsigned char *)pem,
				   strlen(pem) + 1);
	if (r != 0)
		return report_x509_error(e, "read certificate request", r);
	r = convert_public_key(&csr.pk, &k, e);
	if (r < 0)
		return r;
	/* mbedtls parses a request, but does not verify it. */
	hash_sha256(csr.cri.p, csr.cri.len, digest);
	if (csr.sig_md != MBEDTLS_MD_SHA256 || csr.sig_pk != MBEDTLS_PK_ECDSA ||
	    key_verify(k, digest, csr.sig.p, csr.sig.len) < 0)
		return err_set(e, EKEYREJECTED,
			       "read certificate request: its own signature "
			       "does not verify");
	*ret = steal(k);
	return 0;
}

/* The bytes of an IP address: 4 or 16, 0 if the name is none. */
static size_t parse_ip_address(const char *name, unsigned char ret[16])
{
	if (inet_pton(AF_INET, name, ret) == 1)
		return 4;
	return inet_pton(AF_INET6, name, ret) == 1 ? 16 : 0;
}

static bool is_dns_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > DNS_NAME_MAX)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-.*_", *s))
			return false;
	return true;
}

/* A GeneralName, written from the end as all of mbedtls's writers do. */
static int write_general_name(unsigned char **p, unsigned char *start,
			      const char *name)
{
	unsigned char ip[16], tag = MBEDTLS_ASN1_CONTEXT_SPECIFIC;
	size_t ip_len = parse_ip_address(name, ip),
	       len = ip_len ? ip_len : strlen(name);
	int body, head, r;

	tag |= ip_len ? MBEDTLS_X509_SAN_IP_ADDRESS : MBEDTLS_X509_SAN_DNS_NAME;
	body = mbedtls_asn1_write_raw_buffer(
		p, start, ip_len ? ip : (const unsigned char *)name, len);
	if (body < 0)
		return body;
	head = mbedtls_asn1_write_len(p, start, len);
	if (head < 0)
		return head;
	r = mbedtls_asn1_write_tag(p, start, tag);
	return r < 0 ? r : body + head + r;
}

/* Wraps what was written last as a SEQUENCE; returns the length of the whole.
 */
static int write_der_sequence(unsigned char **p, unsigned char *start,
			      size_t len)
{
	int head = mbedtls_asn1_write_len(p, start, len), r;

	if (head < 0)
		return head;
	r = mbedtls_asn1_write_tag(
		p, start, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
	return r < 0 ? r : (int)len + head + r;
}

/* subjectAltName (RFC 5280, 4.2.1.6): mbedtls 2.28 has nothing to write it. */
static int add_subject_alt_names(mbedtls_x509write_cert *crt,
				 const char *const *names, struct err *e)
{
	unsigned char der[NAMES_DER_MAX], ip[16], *p = der + sizeof(der);
	size_t n = 0;
	int len = 0;

	while (names[n])
		n++;
	while (n-- > 0) {
		int r;

		if (!parse_ip_address(names[n], ip) && !is_dns_name(names[n]))
			return err_set(e, EINVAL,
				       "certificate: '%.70s' is not a host",
				       names[n]);
		r = write_general_name(&p, der, names[n]);
		if (r < 0)
			return report_x509_error(e, "certificate's names", r);
		len += r;
	}
	len = write_der_sequence(&p, der, (size_t)len);
	if (len >= 0)
		len = mbedtls_x509write_crt_set_extension(
			crt, MBEDTLS_OID_SUBJECT_ALT_NAME,
			MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, p,
			(size_t)len);
	return len < 0 ? report_x509_error(e, "certificate's names", len) : 0;
}

/* extKeyUsage (RFC 5280, 4.2.1.12), with one purpose. */
static int add_extended_key_usage(mbedtls_x509write_cert *crt,
				  enum x509_usage usage)
{
	static const char server[] = MBEDTLS_OID_SERVER_AUTH;
	static const char client[] = MBEDTLS_OID_CLIENT_AUTH;
	unsigned char der[32], *p = der + sizeof(der);
	int len;

	len = usage == X509_SERVER ? mbedtls_asn1_write_oid(&p, der, server,
							    sizeof(server) - 1)
				   : mbedtls_asn1_write_oid(&p, der, client,
							    sizeof(client) - 1);
	if (len < 0)
		return len;
	len = write_der_sequence(&p, der, (size_t)len);
	if (len < 0)
		return len;
	return mbedtls_x509write_crt_set_extension(
		crt, MBEDTLS_OID_EXTENDED_KEY_USAGE,
		MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, p,
		(size_t)len);
}

static int add_cert_extensions(mbedtls_x509write_cert *crt,
			       const struct x509_spec *spec, struct err *e)
{
	bool is_ca = spec->usage == X509_CA;
	int r;

	r = mbedtls_x509write_crt_set_basic_constraints(crt, is_ca,
							is_ca ? 0 : -1);
	if (r == 0)
		r = mbedtls_x509write_crt_set_key_usage(
			crt, is_ca ? MBEDTLS_X509_KU_KEY_CERT_SIGN |
					     MBEDTLS_X509_KU_CRL_SIGN
				   : MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
	if (r == 0)
		r = mbedtls_x509write_crt_set_subject_key_identifier(crt);
	if (r == 0)
		r = mbedtls_x509write_crt_set_authority_key_identifier(crt);
	if (r == 0 && !is_ca)
		r = add_extended_key_usage(crt, spec->usage);
	if (r != 0)
		return report_x509_error(e, "certificate's extensions", r);
	return spec->names && spec->names[0]
		       ? add_subject_alt_names(crt, spec->names, e)
		       : 0;
}

/* Also after a failure there is something to free. */
static int parse_certificate(const char *pem, mbedtls_x509_crt *crt,
			     struct err *e)
{
	int r;

	mbedtls_x509_crt_init(crt);
	r = mbedtls_x509_crt_parse(crt, (const unsigned char *)pem,
				   strlen(pem) + 1);

	if (r > 0)
		return err_set(e, EINVAL,
			       "read certificate: %d of them do not parse", r);
	return r < 0 ? report_x509_error(e, "read certificate", r) : 0;
}

/* The issuer's subject as in its own certificate, kind of text too.
 */
static int copy_issuer_name(mbedtls_x509write_cert *crt, const char *issuer_pem,
			    const struct key *issuer_key, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_crt mbedtls_x509_crt issuer;
	int r = parse_certificate(issuer_pem, &issuer, e);

	if (r < 0)
		return r;
	r = convert_public_key(&issuer.pk, &k, e);
	if (r < 0)
		return r;
	if (strcmp(key_id(k), key_id(issuer_key)) != 0)
		return err_set(e, EINVAL,
			       "issue certificate: the key is not that of the "
			       "issuer's certificate");
	for (const mbedtls_x509_name *n = &issuer.subject; n; n = n->next) {
		mbedtls_asn1_named_data *copy = mbedtls_asn1_store_named_data(
			&crt->issuer, (const char *)n->oid.p, n->oid.len,
			n->val.p, n->val.len);

		if (!copy)
			return err_oom(e, "issue certificate");
		copy->val.tag = n->val.tag;
	}
	return 0;
}

static int set_validity_period(mbedtls_x509write_cert *crt,
			       const struct x509_spec *spec, struct err *e)
{
	const int64_t times[] = { spec->not_before, spec->not_after };
	char text[2][TIME_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		time_t t = (time_t)times[i];
		struct tm tm;

		if (times[i] < 0 || times[i] > INT64_C(253402300799) ||
		    !gmtime_r(&t, &tm) ||
		    strftime(text[i], TIME_SIZE, "%Y%m%d%H%M%S", &tm) !=
			    TIME_SIZE - 1)
			return err_set(e, EINVAL,
				       "issue certificate: validity out of "
				       "range");
	}
	if (mbedtls_x509write_crt_set_validity(crt, text[0], text[1]) != 0)
		return err_set(e, EINVAL, "issue certificate: validity");
	return 0;
}

/* 127 random bits: positive, and no two alike. */
static int set_serial_number(mbedtls_x509write_cert *crt)
{
	unsigned char raw[SERIAL_SIZE];
	AUTO(mbedtls_mpi_free) mbedtls_mpi serial;
	int r;

	hash_random(raw, sizeof(raw));
	raw[0] = (raw[0] & 0x7f) | 0x40;
	mbedtls_mpi_init(&serial);
	r = mbedtls_mpi_read_binary(&serial, raw, sizeof(raw));
	return r == 0 ? mbedtls_x509write_crt_set_serial(crt, &serial) : r;
}

static int set_subject_and_keys(mbedtls_x509write_cert *crt,
				const struct x509_spec *spec,
				const struct key *subject,
				const struct key *issuer_key,
				bool is_self_signed, struct err *e)
{
	char cn[CN_SIZE];
	int r;

	r = format_common_name(spec->common_name, cn, e);
	if (r < 0)
		return r;
	mbedtls_x509write_crt_set_subject_key(crt, key_pk(subject));
	mbedtls_x509write_crt_set_issuer_key(crt, key_pk(issuer_key));
	r = set_serial_number(crt);
	if (r == 0)
		r = mbedtls_x509write_crt_set_subject_name(crt, cn);
	if (r == 0 && is_self_signed)
		r = mbedtls_x509write_crt_set_issuer_name(crt, cn);
	return r == 0 ? 0 : report_x509_error(e, "issue certificate", r);
}

int x509_issue(const struct x509_spec *spec, const struct key *subject,
	       const struct key *issuer_key, const char *issuer_pem,
	       char **ret_pem, struct err *e)
{
	AUTO(mbedtls_x509write_crt_free) mbedtls_x509write_cert crt;
	unsigned char pem[PEM_MAX];
	int r;

	mbedtls_x509write_crt_init(&crt);
	mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
	r = set_subject_and_keys(&crt, spec, subject, issuer_key, !issuer_pem,
				 e);
	if (r < 0)
		return r;
	if (issuer_pem) {
		r = copy_issuer_name(&crt, issuer_pem, issuer_key, e);
		if (r < 0)
			return r;
	}
	r = set_validity_period(&crt, spec, e);
	if (r < 0)
		return r;
	r = add_cert_extensions(&crt, spec, e);
	if (r < 0)
		return r;
	r = mbedtls_x509write_crt_pem(&crt, pem, sizeof(pem), key_rng, NULL);
	if (r != 0)
		return report_x509_error(e, "issue certificate", r);
	*ret_pem = strdup((char *)pem);
	return *ret_pem ? 0 : err_oom(e, "issue certificate");
}

int x509_digest(const char *pem, uint8_t ret[HASH_SIZE], struct err *e)
{
	auto_crt mbedtls_x509_crt crt;
	int r = parse_certificate(pem, &crt, e);

	if (r < 0)
		return r;
	hash_sha256(crt.raw.p, crt.raw.len, ret);
	return 0;
}

static int64_t convert_x509_time(const mbedtls_x509_time *t)
{
	struct tm tm = {
		.tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec,
	};

	return timegm(&tm);
}

int x509_validity(const char *pem, int64_t *ret_not_before,
		  int64_t *ret_not_after, struct err *e)
{
	auto_crt mbedtls_x509_crt crt;
	int r = parse_certificate(pem, &crt, e);

	if (r < 0)
		return r;
	*ret_not_before = convert_x509_time(&crt.valid_from);
	*ret_not_after = convert_x509_time(&crt.valid_to);
	return 0;
}

int x509_key(const char *pem, struct key **ret, struct err *e)
{
	auto_crt mbedtls_x509_crt crt;
	int r = parse_certificate(pem, &crt, e);

	if (r < 0)
		return r;
	return convert_public_key(&crt.pk, ret, e);
}

static int check_validity_time(const mbedtls_x509_crt *crt, const char *whose,
			       int64_t now, struct err *e)
{
	if (now < convert_x509_time(&crt->valid_from))
		return err_set(e, ETIME, "%s certificate is not valid yet",
			       whose);
	if (now > convert_x509_time(&crt->valid_to))
		return err_set(e, ETIME, "%s certificate has expired", whose);
	return 0;
}

int x509_check(const char *pem, const char *ca_pem, int64_t now, struct err *e)
{
	auto_crt mbedtls_x509_crt crt;
	auto_crt mbedtls_x509_crt ca;
	uint32_t flags = 0;
	int r;

	mbedtls_x509_crt_init(&ca);
	r = parse_certificate(pem, &crt, e);
	if (r < 0)
		return r;
	r = parse_certificate(ca_pem, &ca, e);
	if (r < 0)
		return r;
	mbedtls_x509_crt_verify(&crt, &ca, NULL, NULL, &flags, NULL, NULL);
	/* It looks at the wall clock; the time that counts is the caller's. */
	flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED |
			     MBEDTLS_X509_BADCERT_FUTURE);
	if (flags != 0)
		return err_set(e, EKEYREJECTED,
			       "the certificate is not signed by the CA");
	r = check_validity_time(&crt, "the", now, e);
	return r < 0 ? r : check_validity_time(&ca, "the CA's", now, e);
}

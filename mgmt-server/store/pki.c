/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/pki.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/x509.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>

#define DAY (INT64_C(24) * 3600)
#define CA_DAYS 3653
#define SERVER_DAYS 397
#define RENEW_DAYS 30
#define SKEW 3600 /* clocks of clients may be behind */
#define PEM_MAX 65536

struct pki {
	struct key *ca_key, *director;
	char *dir, *ca_pem, *ca_path, *cert_path, *key_path;
	uint8_t ca_digest[HASH_SIZE];
};

void pki_free(struct pki *p)
{
	if (!p)
		return;
	key_free(p->ca_key);
	key_free(p->director);
	free(p->dir);
	free(p->ca_pem);
	free(p->ca_path);
	free(p->cert_path);
	free(p->key_path);
	free(p);
}

static int open_key_file(const char *dir, const char *name, bool make,
			 struct key **ret, struct err *e)
{
	auto_free char *path = io_join(dir, name);

	if (!path)
		return err_oom(e, name);
	return key_open_file(path, make, ret, e);
}

static int write_certificate_file(const char *dir, const char *name,
				  const char *pem, struct err *e)
{
	auto_free char *path = io_join(dir, name);

	if (!path)
		return err_oom(e, name);
	return io_replace_file(path, pem, strlen(pem), 0644, e);
}

static int issue_server_certificate(const char *dir, const struct key *k,
				    const struct key *ca, const char *ca_pem,
				    const char *const *hosts, struct err *e)
{
	int64_t now = clock_wall();
	struct x509_spec spec = {
		.usage = X509_SERVER,
		.common_name = "cells-mgmtd",
		.names = hosts,
		.not_before = now - SKEW,
		.not_after = now + SERVER_DAYS * DAY,
	};
	auto_free char *pem = NULL;
	int r = x509_issue(&spec, k, ca, ca_pem, &pem, e);

	return r < 0 ? r : write_certificate_file(dir, "server.pem", pem, e);
}

static int certify_server_key(const char *dir, const struct key *ca,
			      const char *ca_pem, const char *const *hosts,
			      struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	int r = open_key_file(dir, "server.key", true, &k, e);

	return r < 0 ? r
		     : issue_server_certificate(dir, k, ca, ca_pem, hosts, e);
}

/* The names are in a file, one a line, for the next issue. */
static int write_hosts_file(const char *dir, const char *const *hosts,
			    struct err *e)
{
	auto_free char *path = io_join(dir, "hosts");
	char text[4096] = "";
	size_t n = 0;

	for (; *hosts; hosts++) {
		size_t len = strlen(*hosts);

		if (n + len + 2 > sizeof(text))
			return err_set(e, E2BIG, "too many host names");
		memcpy(text + n, *hosts, len);
		n += len;
		text[n++] = '\n';
	}
	if (!path)
		return err_oom(e, "hosts");
	return io_replace_file(path, text, n, 0644, e);
}

static int create_director_key(const char *dir, struct err *e)
{
	AUTO(key_freep) struct key *director = NULL;

	return open_key_file(dir, "director.key", true, &director, e);
}

static int issue_ca_certificate(const struct key *ca, const char *org,
				char **ret_pem, struct err *e)
{
	int64_t now = clock_wall();
	struct x509_spec spec = { .usage = X509_CA,
				  .not_before = now - SKEW,
				  .not_after = now + CA_DAYS * DAY };
	auto_free char *name = NULL;

	if (asprintf(&name, "Cells CA of %s", org) < 0)
		return err_oom(e, "make the CA");
	spec.common_name = name;
	return x509_issue(&spec, ca, ca, NULL, ret_pem, e);
}

static int create_certificates(const char *dir, const char *org,
			       const struct key *ca, const char *const *hosts,
			       struct err *e)
{
	auto_free char *pem = NULL;
	int r = issue_ca_certificate(ca, org, &pem, e);

	if (r == 0)
		r = write_certificate_file(dir, "ca.pem", pem, e);
	if (r == 0)
		r = write_hosts_file(dir, hosts, e);
	return r < 0 ? r : certify_server_key(dir, ca, pem, hosts, e);
}

int pki_create(const char *dir, const char *org, const char *const *hosts,
	       struct err *e)
{
	AUTO(key_freep) struct key *ca = NULL;
	int r = open_key_file(dir, "ca.key", true, &ca, e);

	if (r == 0)
		r = create_director_key(dir, e);
	return r < 0 ? r : create_certificates(dir, org, ca, hosts, e);
}

#define HOSTS_MAX 32

int pki_get_ca_validity(const struct pki *p, int64_t *ret_begin,
			int64_t *ret_end, struct err *e)
{
	return x509_validity(p->ca_pem, ret_begin, ret_end, e);
}

int pki_get_server_validity(const struct pki *p, int64_t *ret_begin,
			    int64_t *ret_end, struct err *e)
{
	auto_free char *pem = NULL;
	size_t len;
	int r = io_read_file(p->cert_path, PEM_MAX, &pem, &len, e);

	return r < 0 ? r : x509_validity(pem, ret_begin, ret_end, e);
}

/* 1: the server's certificate is near its end. */
static int is_renewal_due(const struct pki *p, struct err *e)
{
	int64_t before = 0, after = 0;
	int r = pki_get_server_validity(p, &before, &after, e);

	return r < 0 ? r : after - clock_wall() <= RENEW_DAYS * DAY;
}

static int read_hosts_file(const char *dir, char **ret, struct err *e)
{
	auto_free char *path = io_join(dir, "hosts");
	size_t len;

	if (!path)
		return err_oom(e, "hosts");
	return io_read_file(path, PEM_MAX, ret, &len, e);
}

/* `text` has a name a line, and is cut up. */
static int issue_for_host_lines(const char *dir, const struct pki *p,
				char *text, struct err *e)
{
	const char *hosts[HOSTS_MAX + 1] = { NULL };
	unsigned int n = 0;

	for (char *line; (line = strsep(&text, "\n"));)
		if (*line && n < HOSTS_MAX)
			hosts[n++] = line;
	return certify_server_key(dir, p->ca_key, p->ca_pem, hosts, e);
}

static int reissue_server_certificate(const char *dir, const struct pki *p,
				      struct err *e)
{
	auto_free char *text = NULL;
	int r = read_hosts_file(dir, &text, e);

	return r < 0 ? r : issue_for_host_lines(dir, p, text, e);
}

int pki_renew_server(const struct pki *p, struct err *e)
{
	int r = is_renewal_due(p, e);

	if (r <= 0)
		return r;
	r = reissue_server_certificate(p->dir, p, e);
	if (r < 0)
		return r;
	log_info("the server's certificate was near its end: it is a new one");
	return 1;
}

int pki_open(const char *dir, struct pki **ret, struct err *e)
{
	AUTO(pki_freep) struct pki *p = calloc(1, sizeof(*p));
	struct err why;
	size_t len;
	int r;

	if (!p)
		return err_oom(e, "open the keys");
	p->dir = strdup(dir);
	p->ca_path = io_join(dir, "ca.pem");
	p->cert_path = io_join(dir, "server.pem");
	p->key_path = io_join(dir, "server.key");
	if (!p->dir || !p->ca_path || !p->cert_path || !p->key_path)
		return err_oom(e, "open the keys");
	r = open_key_file(dir, "ca.key", false, &p->ca_key, e);
	if (r < 0)
		return r;
	r = open_key_file(dir, "director.key", false, &p->director, e);
	if (r < 0)
		return r;
	r = io_read_file(p->ca_path, PEM_MAX, &p->ca_pem, &len, e);
	if (r < 0)
		return r;
	r = x509_digest(p->ca_pem, p->ca_digest, e);
	if (r < 0)
		return r;
	/* It is tried again while the server runs. */
	if (pki_renew_server(p, &why) < 0)
		log_error("renew the server's certificate: %s", why.text);
	*ret = steal(p);
	return 0;
}

const char *pki_ca_pem(const struct pki *p)
{
	return p->ca_pem;
}

const uint8_t *pki_ca_digest(const struct pki *p)
{
	return p->ca_digest;
}

const struct key *pki_director_key(const struct pki *p)
{
	return p->director;
}

const char *pki_server_cert_path(const struct pki *p)
{
	return p->cert_path;
}

const char *pki_server_key_path(const struct pki *p)
{
	return p->key_path;
}

const char *pki_ca_path(const struct pki *p)
{
	return p->ca_path;
}

int pki_issue_client(const struct pki *p, const char *common_name,
		     const struct key *subject, char **ret_pem, struct err *e)
{
	int64_t now = clock_wall();
	struct x509_spec spec = {
		.usage = X509_CLIENT,
		.common_name = common_name,
		.not_before = now - SKEW,
		.not_after = now + PKI_DEVICE_DAYS * DAY,
	};

	return x509_issue(&spec, subject, p->ca_key, p->ca_pem, ret_pem, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/enroll.h"

#include "agent/identity.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/key.h"
#include "lib/crypto/x509.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/http_problem.h"
#include "lib/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENROLL_PATH "/v1/enroll"
#define RENEW_PATH "/v1/renew"
#define ANSWER_MAX (8 * 1024 * 1024) /* a long chain of roots */
#define NAME_SIZE 65

/* ---- what policyd asks for */

int enroll_parse_request(const char *text, size_t len,
			 struct enroll_request *ret, struct err *e)
{
	struct enroll_request rq = { 0 };
	auto_json json_t *j = NULL;
	const char *ca = NULL;
	int64_t port = 0;
	const struct json_member members[] = {
		{ "host", JSON_STRING, .ret = &rq.host },
		{ "port", JSON_INTEGER, .ret = &port },
		{ "ca", JSON_STRING, .ret = &ca },
		{ "admit", JSON_STRING, .ret = &rq.admit },
		{ "bind", JSON_STRING, .ret = &rq.bind },
		{ "receipt_csr", JSON_STRING, .ret = &rq.receipt_csr },
		{ 0 },
	};
	int r = json_parse(text, len, "enrollment request", &j, e);

	if (r == 0)
		r = json_read_object(j, members, false, "enrollment request",
				     e);
	if (r < 0)
		return r;
	if (port < 1 || port > UINT16_MAX ||
	    encoding_parse_digest(ca, rq.ca) < 0)
		return err_set(e, EINVAL, "enrollment request: bad port or CA");
	rq.port = (uint16_t)port;
	rq.json = steal(j);
	*ret = rq;
	return 0;
}

void enroll_request_fini(struct enroll_request *rq)
{
	json_decref(rq->json);
	memset(rq, 0, sizeof(*rq));
}

/* ---- what the server answers */

static int check_identity_cert(const char *cert, const char *ca,
			       const struct identity *id, int64_t now,
			       struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	int r = x509_key(cert, &k, e);

	if (r == 0 && strcmp(key_id(k), key_id(id->key)) != 0)
		r = err_set(e, EKEYREJECTED,
			    "the certificate is for another key");
	if (r == 0)
		r = x509_check(cert, ca, now, e);
	return r;
}

static int check_pinned_ca(const char *ca, const uint8_t pin[HASH_SIZE],
			   struct err *e)
{
	uint8_t digest[HASH_SIZE];
	int r = x509_digest(ca, digest, e);

	if (r == 0 && hash_compare(digest, pin, HASH_SIZE) != 0)
		r = err_set(e, EKEYREJECTED,
			    "the CA is not the one that the URI pins");
	return r;
}

int enroll_parse_answer(const char *text, size_t len,
			const struct enroll_request *rq,
			const struct identity *id, int64_t now,
			struct identity_enrollment *ret, struct err *e)
{
	auto_json json_t *j = NULL;
	const char *device = NULL, *epoch = NULL, *cert = NULL, *ca = NULL;
	int64_t port = 0;
	const struct json_member members[] = {
		{ "device", JSON_STRING, .ret = &device },
		{ "epoch", JSON_STRING, .ret = &epoch },
		{ "identity_cert", JSON_STRING, .ret = &cert },
		{ "receipt_cert", JSON_STRING },
		{ "ca", JSON_STRING, .ret = &ca },
		{ "roots", JSON_ARRAY },
		{ "device_port", JSON_INTEGER, .ret = &port },
		{ 0 },
	};
	struct identity_enrollment n = { .port = rq->port };
	uint8_t raw[16];
	int r = json_parse(text, len, "enrollment answer", &j, e);

	if (r == 0)
		r = json_read_object(j, members, false, "enrollment answer", e);
	if (r < 0)
		return r;
	if (port < 1 || port > UINT16_MAX ||
	    encoding_from_hex(epoch, raw, 16) < 0)
		return err_set(e, EINVAL,
			       "enrollment answer: bad port or epoch");
	if (strcmp(device, id->device) != 0)
		return err_set(e, EKEYREJECTED,
			       "enrollment answer: for device '%.32s', not %s",
			       device, id->device);
	r = check_pinned_ca(ca, rq->ca, e);
	if (r == 0)
		r = check_identity_cert(cert, ca, id, now, e);
	if (r < 0)
		return r;
	n.device_port = (uint16_t)port;
	snprintf(n.device, sizeof(n.device), "%s", device);
	snprintf(n.epoch, sizeof(n.epoch), "%s", epoch);
	snprintf(n.host, sizeof(n.host), "%s", rq->host);
	n.ca = strdup(ca);
	n.cert = strdup(cert);
	if (!n.ca || !n.cert) {
		identity_enrollment_fini(&n);
		return err_oom(e, "enrollment answer");
	}
	*ret = n;
	return 0;
}

/* ---- talking */

static int post_json_request(const struct http_target *server, const char *path,
			     const char *body, const char *what, char **ret,
			     struct err *e)
{
	const struct http_request rq = {
		.method = "POST",
		.path = path,
		.body = body,
		.body_len = strlen(body),
		.answer_max = ANSWER_MAX,
	};
	AUTO(http_answer_fini) struct http_answer a = { 0 };
	AUTO(http_freep) struct http *h = NULL;
	int r = http_new(server, &h, e);

	if (r == 0)
		r = http_call(h, &rq, &a, e);
	if (r < 0)
		return r;
	if (a.status / 100 != 2 || !a.body)
		return http_problem_set(&a, what, e);
	*ret = steal(a.body);
	return 0;
}

static int build_request_body(const struct identity *id,
			      const struct enroll_request *rq, char **ret,
			      struct err *e)
{
	auto_free char *csr = NULL;
	auto_json json_t *j = NULL;
	char name[NAME_SIZE] = "";
	int r = x509_request(id->key, id->device, &csr, e);

	if (r < 0)
		return r;
	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		snprintf(name, sizeof(name), "device");
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "admit", rq->admit, "bind",
		      rq->bind, "identity_csr", csr, "receipt_csr",
		      rq->receipt_csr, "name", name);
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "enrollment request");
}

int enroll_send_request(const struct identity *id,
			const struct enroll_request *rq, const char *server,
			char **ret, struct err *e)
{
	const struct http_target to = {
		.host = server ? server : rq->host,
		.port = rq->port,
		.ca_digest = rq->ca,
		.proxy = "", /* the WebSocket has none either */
	};
	auto_free char *body = NULL;
	int r = build_request_body(id, rq, &body, e);

	return r < 0 ? r
		     : post_json_request(&to, ENROLL_PATH, body,
					 "enroll: the server refuses", ret, e);
}

int enroll_accept_answer(struct identity *id, const struct enroll_request *rq,
			 const char *answer, size_t len, struct err *e)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	int r = enroll_parse_answer(answer, len, rq, id, clock_wall(), &n, e);

	return r < 0 ? r : identity_stage(id, &n, e);
}

/* ---- renewal */

int enroll_get_renewal_time(const struct identity *id, int64_t *ret,
			    struct err *e)
{
	int64_t from, to;
	int r = x509_validity(id->now.cert, &from, &to, e);

	if (r == 0)
		*ret = from + (to - from) / 3 * 2;
	return r;
}

/* Proof of the key, so that a lapsed certificate can be renewed too. */
static int sign_renewal_proof(const struct identity *id, const char *csr,
			      const char *time, char **ret, struct err *e)
{
	uint8_t digest[HASH_SIZE], sig[KEY_SIG_MAX];
	char hex[2 * HASH_SIZE + 1];
	auto_free char *text = NULL;
	size_t len;
	int n, r;

	hash_sha256(csr, strlen(csr), digest);
	encoding_to_hex(digest, HASH_SIZE, hex);
	n = asprintf(&text, "cells-renew\n%s\n%s\n%s", id->device, time, hex);
	if (n < 0)
		return err_oom(e, "renewal");
	hash_sha256(text, (size_t)n, digest);
	r = key_sign(id->key, digest, sig, &len, e);
	if (r < 0)
		return r;
	*ret = encoding_to_base64(sig, len);
	return *ret ? 0 : err_oom(e, "renewal");
}

static int build_renewal_body(const struct identity *id, char **ret,
			      struct err *e)
{
	auto_free char *csr = NULL, *sig = NULL;
	auto_json json_t *j = NULL;
	char time[ENCODING_TIME_SIZE];
	int r;

	encoding_format_time(clock_wall(), time);
	r = x509_request(id->key, id->device, &csr, e);
	if (r == 0)
		r = sign_renewal_proof(id, csr, time, &sig, e);
	if (r < 0)
		return r;
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "csr", csr, "cert",
		      id->now.cert, "device", id->device, "time", time, "sig",
		      sig);
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "renewal");
}

int enroll_send_renewal(const struct identity *id, const char *server,
			char **ret, struct err *e)
{
	const struct http_target to = {
		.host = server ? server : id->now.host,
		.port = id->now.port,
		.ca_pem = id->now.ca,
		.proxy = "", /* the WebSocket has none either */
	};
	auto_free char *body = NULL;
	int r = build_renewal_body(id, &body, e);

	return r < 0 ? r
		     : post_json_request(
			       &to, RENEW_PATH, body,
			       "renew the certificate: the server refuses", ret,
			       e);
}

int enroll_accept_renewal(struct identity *id, const char *answer, size_t len,
			  struct err *e)
{
	auto_json json_t *j = NULL;
	const char *cert = NULL;
	const struct json_member members[] = {
		{ "identity_cert", JSON_STRING, .ret = &cert },
		{ 0 },
	};
	int r = json_parse(answer, len, "renewal", &j, e);

	if (r == 0)
		r = json_read_object(j, members, false, "renewal", e);
	if (r == 0)
		r = check_identity_cert(cert, id->now.ca, id, clock_wall(), e);
	return r < 0 ? r : identity_renew(id, cert, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/simstore.h"

#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/crypto/x509.h"
#include "lib/document/enroll_uri.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/io.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

#define FILE_MAX (1 << 30)
#define FORMAT 1

static void device_fini(struct simstore_device *d)
{
	free(d->identity);
	free(d->cert);
	key_free(d->receipts);
}

void simstore_fini(struct simstore *s)
{
	for (size_t i = 0; i < s->n; i++)
		device_fini(&s->device[i]);
	free(s->device);
	free(s->ca);
	memset(s, 0, sizeof(*s));
}

/* The next device's place; s->n counts it only when it is whole. */
static struct simstore_device *room(struct simstore *s)
{
	struct simstore_device *bigger =
		realloc(s->device, (s->n + 1) * sizeof(*bigger));

	if (!bigger)
		return NULL;
	s->device = bigger;
	memset(&bigger[s->n], 0, sizeof(*bigger));
	return &bigger[s->n];
}

/* ---- the file */

static int load_device(struct simstore *s, json_t *j, struct err *e)
{
	const char *id = NULL, *epoch = NULL, *identity = NULL, *cert = NULL;
	const char *receipts = NULL;
	const struct json_member members[] = {
		{ "id", JSON_STRING, .ret = &id },
		{ "epoch", JSON_STRING, .ret = &epoch },
		{ "identity", JSON_STRING, .ret = &identity },
		{ "cert", JSON_STRING, .ret = &cert },
		{ "receipts", JSON_STRING, .ret = &receipts },
		{ 0 },
	};
	struct simstore_device *d = room(s);
	int r = d ? json_read_object(j, members, true, "device", e)
		  : err_oom(e, "device");

	if (r == 0)
		r = key_from_pem(receipts, &d->receipts, e);
	if (r < 0)
		return r;
	snprintf(d->id, sizeof(d->id), "%s", id);
	snprintf(d->epoch, sizeof(d->epoch), "%s", epoch);
	d->identity = strdup(identity);
	d->cert = strdup(cert);
	s->n++;
	return d->identity && d->cert ? 0 : err_oom(e, "device");
}

int simstore_load(const char *path, struct simstore *ret, struct err *e)
{
	struct simstore s = { 0 };
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;
	json_t *devices = NULL, *d;
	const char *host = NULL, *ca = NULL;
	int64_t format = 0, port = 0, device_port = 0;
	const struct json_member members[] = {
		{ "format", JSON_INTEGER, .ret = &format },
		{ "host", JSON_STRING, .ret = &host },
		{ "port", JSON_INTEGER, .ret = &port },
		{ "device_port", JSON_INTEGER, .ret = &device_port },
		{ "ca", JSON_STRING, .ret = &ca },
		{ "devices", JSON_ARRAY, .ret = &devices },
		{ 0 },
	};
	size_t len, i;
	int r = io_read_file(path, FILE_MAX, &text, &len, e);

	if (r == 0)
		r = json_parse(text, len, path, &j, e);
	if (r == 0)
		r = json_read_object(j, members, true, path, e);
	if (r < 0)
		return r;
	snprintf(s.host, sizeof(s.host), "%s", host);
	s.port = (uint16_t)port;
	s.device_port = (uint16_t)device_port;
	s.ca = strdup(ca);
	json_array_foreach (devices, i, d) {
		r = load_device(&s, d, e);
		if (r < 0) {
			simstore_fini(&s);
			return r;
		}
	}
	*ret = s;
	return 0;
}

static json_t *device_json(const struct simstore_device *d)
{
	auto_free char *receipts = NULL;
	struct err e;

	if (key_to_pem(d->receipts, true, &receipts, &e) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", d->id, "epoch",
			 d->epoch, "identity", d->identity, "cert", d->cert,
			 "receipts", receipts);
}

int simstore_save(const struct simstore *s, const char *path, struct err *e)
{
	json_t *devices = json_array();
	auto_json json_t *j =
		json_pack("{s:i, s:s, s:i, s:i, s:s, s:o}", "format", FORMAT,
			  "host", s->host, "port", s->port, "device_port",
			  s->device_port, "ca", s->ca, "devices", devices);
	auto_free char *text = NULL;

	for (size_t i = 0; j && i < s->n; i++)
		if (json_array_append_new(devices, device_json(&s->device[i])) <
		    0)
			return err_oom(e, path);
	text = j ? json_text(j) : NULL;
	if (!text)
		return err_oom(e, path);
	return io_replace_file(path, text, strlen(text), 0600, e);
}

/* ---- enrollment */

static int request(const struct enroll_uri *u, const struct key *identity,
		   const struct key *receipts, char **ret, struct err *e)
{
	auto_free char *csr = NULL, *receipt_csr = NULL;
	char admit[2 * HASH_SIZE + 1], bind[2 * HASH_SIZE + 1];
	uint8_t mac[HASH_SIZE];
	auto_json json_t *j = NULL;
	const void *spki, *receipt_spki;
	size_t len, receipt_len;
	int r = x509_request(identity, "device", &csr, e);

	if (r == 0)
		r = x509_request(receipts, "receipts", &receipt_csr, e);
	if (r < 0)
		return r;
	enroll_uri_compute_admit(u, mac);
	encoding_to_hex(mac, sizeof(mac), admit);
	spki = key_spki(identity, &len);
	receipt_spki = key_spki(receipts, &receipt_len);
	enroll_uri_compute_bind(u, spki, len, receipt_spki, receipt_len, mac);
	encoding_to_hex(mac, sizeof(mac), bind);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "admit", admit, "bind", bind,
		      "identity_csr", csr, "receipt_csr", receipt_csr, "name",
		      "simulated");
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "enrol");
}

static int take_answer(struct simstore *s, const struct http_answer *a,
		       struct simstore_device *d, struct err *e)
{
	auto_json json_t *j = NULL;
	const char *id = NULL, *epoch = NULL, *cert = NULL, *ca = NULL;
	int64_t port = 0;
	const struct json_member members[] = {
		{ "device", JSON_STRING, .ret = &id },
		{ "epoch", JSON_STRING, .ret = &epoch },
		{ "identity_cert", JSON_STRING, .ret = &cert },
		{ "ca", JSON_STRING, .ret = &ca },
		{ "device_port", JSON_INTEGER, .ret = &port },
		{ 0 },
	};
	int r;

	if (a->status != 201)
		return err_set(e, EPROTO, "enroll: status %d: %.300s",
			       a->status, a->body ? a->body : "");
	r = json_parse(a->body, a->body_len, "answer", &j, e);
	if (r == 0)
		r = json_read_object(j, members, false, "answer", e);
	if (r < 0)
		return r;
	snprintf(d->id, sizeof(d->id), "%s", id);
	snprintf(d->epoch, sizeof(d->epoch), "%s", epoch);
	d->cert = strdup(cert);
	s->device_port = (uint16_t)port;
	if (!s->ca)
		s->ca = strdup(ca);
	return d->cert && s->ca ? 0 : err_oom(e, "enrol");
}

static int enroll_one(struct simstore *s, struct http *h,
		      const struct enroll_uri *u, struct err *e)
{
	AUTO(http_answer_fini) struct http_answer a = { 0 };
	AUTO(key_freep) struct key *identity = NULL;
	auto_free char *body = NULL;
	struct simstore_device *d = room(s);
	struct http_request rq = { .method = "POST", .path = "/v1/enroll" };
	int r = d ? key_generate(&identity, e) : err_oom(e, "enrol");

	if (r == 0)
		r = key_generate(&d->receipts, e);
	if (r == 0)
		r = key_to_pem(identity, true, &d->identity, e);
	if (r == 0)
		r = request(u, identity, d->receipts, &body, e);
	if (r == 0) {
		rq.body = body;
		rq.body_len = strlen(body);
		r = http_call(h, &rq, &a, e);
	}
	if (r == 0)
		r = take_answer(s, &a, d, e);
	if (r < 0)
		device_fini(d);
	else
		s->n++;
	return r;
}

int simstore_enroll(struct simstore *s, const char *uri, size_t n,
		    void (*tell)(size_t done, size_t n), struct err *e)
{
	AUTO(http_freep) struct http *h = NULL;
	struct http_target server = { 0 };
	struct enroll_uri u;
	int r = enroll_uri_parse(uri, &u, e);

	if (r < 0)
		return r;
	server.host = u.host;
	server.port = u.port;
	server.ca_digest = u.ca;
	snprintf(s->host, sizeof(s->host), "%s", u.host);
	s->port = u.port;
	r = http_new(&server, &h, e);
	while (r == 0 && s->n < n) {
		r = enroll_one(s, h, &u, e);
		tell(s->n, n);
	}
	return r;
}

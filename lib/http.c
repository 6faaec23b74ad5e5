/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/x509.h"
#include "lib/err.h"
#include "lib/http_handle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#define TIMEOUT_DEFAULT 30
#define ANSWER_DEFAULT (16 * 1024 * 1024)
#define CA_ANSWER_MAX (64 * 1024)
#define CA_PATH "/v1/ca"
#define RETRY_AFTER_MAX 86400
/* So much counts as progress: a server that sends a byte now and then would
 * keep who asks waiting for days. */
#define PROGRESS_BYTES (16 * 1024)
#define NS_PER_SEC UINT64_C(1000000000)

/* The request under way. */
struct pending_request {
	struct http_answer answer;
	size_t max, room;
	unsigned int timeout;
	uint64_t since;	  /* clock_mono_ns() of the last progress */
	curl_off_t moved; /* bytes, both ways, by then */
	bool has_answer;
	int code; /* why a callback ended it; 0 */
	char why[160];
};

struct http {
	struct http_target server; /* our own copies of its texts */
	char *host, *ca, *cert, *key, *token, *proxy;
	uint8_t ca_digest[HASH_SIZE];
	CURL *curl; /* NULL: the CA is not known yet */
	char why[CURL_ERROR_SIZE];
};

/* ---- what libcurl calls */

__attribute__((format(printf, 3, 4))) static void
fail_request(struct pending_request *p, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
	p->code = code;
}

static bool grow_answer(struct pending_request *p, size_t len)
{
	struct http_answer *a = &p->answer;
	size_t room = (p->room + len) * 2 + 1;
	char *bigger;

	if (p->room - a->body_len > len)
		return true;
	bigger = realloc(a->body, room);
	if (!bigger)
		return false;
	a->body = bigger;
	p->room = room;
	return true;
}

static size_t append_answer_body(char *data, size_t size, size_t n, void *user)
{
	struct pending_request *p = user;
	struct http_answer *a = &p->answer;
	size_t len = size * n;

	if (len > p->max - a->body_len) {
		fail_request(p, EFBIG, "the answer is larger than %zu bytes",
			     p->max);
		return 0;
	}
	if (!grow_answer(p, len)) {
		fail_request(p, ENOMEM, "%s", strerror(ENOMEM));
		return 0;
	}
	memcpy(a->body + a->body_len, data, len);
	a->body_len += len;
	a->body[a->body_len] = '\0';
	return len;
}

static size_t read_answer_header(char *line, size_t size, size_t n, void *user)
{
	static const char etag[] = "etag:";
	struct pending_request *p = user;
	size_t len = size * n, from = strlen(etag);

	if (!p->has_answer)
		p->since = clock_mono_ns();
	p->has_answer = true;
	if (len < from || strncasecmp(line, etag, from) != 0)
		return len;
	while (from < len && (line[from] == ' ' || line[from] == '\t'))
		from++;
	n = len - from;
	while (n > 0 && strchr("\r\n \t", line[from + n - 1]))
		n--;
	if (n < sizeof(p->answer.etag))
		snprintf(p->answer.etag, sizeof(p->answer.etag), "%.*s", (int)n,
			 line + from);
	return len;
}

/* Comes at least once a second; not 0: stop. */
static int check_progress(void *user, curl_off_t total, curl_off_t received,
			  curl_off_t upload, curl_off_t sent)
{
	struct pending_request *p = user;
	uint64_t now = clock_mono_ns();

	if (received + sent - p->moved >= PROGRESS_BYTES) {
		p->moved = received + sent;
		p->since = now;
	}
	if (now - p->since < p->timeout * NS_PER_SEC)
		return 0;
	fail_request(p, ETIMEDOUT, "no progress for %u s", p->timeout);
	return 1;
}

/* ---- requests */

static void free_secret(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* One of them holds the token. */
static void free_header_list(struct curl_slist **list)
{
	for (struct curl_slist *l = *list; l; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(*list);
}

__attribute__((format(printf, 2, 3))) static int
append_header(struct curl_slist **list, const char *fmt, ...)
{
	struct curl_slist *longer;
	char *line;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	longer = curl_slist_append(*list, line);
	free_secret(line);
	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static bool has_body(const struct http_request *rq)
{
	return rq->body || strcmp(rq->method, "POST") == 0 ||
	       strcmp(rq->method, "PUT") == 0;
}

/* `token` may be NULL. An empty name of libcurl's own headers takes one out. */
static int build_headers(const struct http_request *rq, const char *token,
			 struct curl_slist **ret)
{
	const char *type =
		rq->content_type ? rq->content_type : "application/json";
	int r = append_header(ret, "Expect:");

	if (r == 0 && token)
		r = append_header(ret, "Authorization: Bearer %s", token);
	if (r == 0 && has_body(rq))
		r = append_header(ret, "Content-Type:%s%s", rq->body ? " " : "",
				  rq->body ? type : "");
	for (unsigned int i = 0; r == 0 && rq->headers && rq->headers[i]; i++)
		r = append_header(ret, "%s", rq->headers[i]);
	return r;
}

static bool set_method(CURL *c, const struct http_request *rq)
{
	curl_off_t len = (curl_off_t)rq->body_len;

	/* The handle may have made another request before. */
	if (curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, NULL) != CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) != CURLE_OK)
		return false;
	if (strcmp(rq->method, "HEAD") == 0)
		return curl_easy_setopt(c, CURLOPT_NOBODY, 1L) == CURLE_OK;
	if (has_body(rq) &&
	    (curl_easy_setopt(c, CURLOPT_POST, 1L) != CURLE_OK ||
	     curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, len) !=
		     CURLE_OK ||
	     curl_easy_setopt(c, CURLOPT_POSTFIELDS,
			      rq->body ? rq->body : "") != CURLE_OK))
		return false;
	return curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method) ==
	       CURLE_OK;
}

static bool set_callbacks(CURL *c, struct pending_request *p)
{
	bool ok = true;

	ok &= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, append_answer_body) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_WRITEDATA, p) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, read_answer_header) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_HEADERDATA, p) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, check_progress) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_XFERINFODATA, p) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
	return ok;
}

static void read_answer_info(CURL *c, struct http_answer *a)
{
	const char *type = NULL;
	curl_off_t after = 0;
	long status = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &after);
	a->status = (int)status;
	if (type && strlen(type) < sizeof(a->content_type))
		snprintf(a->content_type, sizeof(a->content_type), "%s", type);
	if (after > 0 && after <= RETRY_AFTER_MAX)
		a->retry_after = (unsigned int)after;
}

static int perform_request(struct http *h, CURL *c, const char *token,
			   const struct http_request *rq,
			   struct http_answer *ret, struct err *e)
{
	AUTO(free_header_list) struct curl_slist *headers = NULL;
	struct pending_request p = {
		.max = rq->answer_max ? rq->answer_max : ANSWER_DEFAULT,
		.timeout = h->server.timeout,
		.since = clock_mono_ns(),
	};
	int r = http_handle_set_url(c, &h->server, rq->path, e);
	CURLcode code;

	if (r < 0)
		return r;
	if (build_headers(rq, token, &headers) < 0 || !set_method(c, rq) ||
	    !set_callbacks(c, &p) ||
	    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) != CURLE_OK)
		return err_oom(e, "request");
	h->why[0] = '\0';
	code = curl_easy_perform(c);
	if (code != CURLE_OK && p.code == 0)
		p.code = http_handle_explain(c, &h->server, code, h->why, p.why,
					     sizeof(p.why));
	if (code != CURLE_OK) {
		http_answer_fini(&p.answer);
		return err_set(e, p.code, "%s https://%s:%u%s: %s", rq->method,
			       h->host, h->server.port, rq->path, p.why);
	}
	read_answer_info(c, &p.answer);
	*ret = p.answer;
	return 0;
}

/* ---- set-up */

/* The anchor is one certificate: the first of the text. */
static char *copy_first_certificate(const char *pem)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	static const char end[] = "-----END CERTIFICATE-----";
	const char *from = strstr(pem, begin), *to;
	char *copy;

	to = from ? strstr(from, end) : NULL;
	if (!to || asprintf(&copy, "%.*s%s\n", (int)(to - from), from, end) < 0)
		return NULL;
	return copy;
}

static int copy_optional_text(const char **text, char **ret)
{
	if (!*text)
		return 0;
	*ret = strdup(*text);
	*text = *ret;
	return *ret ? 0 : -ENOMEM;
}

static int copy_target(struct http *h, const struct http_target *t,
		       struct err *e)
{
	struct http_target *s = &h->server;

	*s = *t;
	if (s->timeout == 0)
		s->timeout = TIMEOUT_DEFAULT;
	if (copy_optional_text(&s->host, &h->host) < 0 ||
	    copy_optional_text(&s->token, &h->token) < 0 ||
	    copy_optional_text(&s->cert_pem, &h->cert) < 0 ||
	    copy_optional_text(&s->key_pem, &h->key) < 0 ||
	    copy_optional_text(&s->proxy, &h->proxy) < 0)
		return err_oom(e, "http");
	if (t->ca_digest)
		memcpy(h->ca_digest, t->ca_digest, HASH_SIZE);
	s->ca_digest = h->ca_digest;
	if (!t->ca_pem)
		return 0;
	s->ca_pem = h->ca = copy_first_certificate(t->ca_pem);
	return h->ca ? 0
		     : err_set(e, EINVAL, "CA for %s: holds no PEM certificate",
			       h->host);
}

int http_new(const struct http_target *server, struct http **ret, struct err *e)
{
	AUTO(http_freep) struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_oom(e, "http");
	r = http_handle_check_target(server, e);
	if (r == 0)
		r = copy_target(h, server, e);
	if (r == 0 && h->ca)
		r = http_handle_new(&h->server, h->ca, h->why, &h->curl, e);
	if (r < 0)
		return r;
	*ret = steal(h);
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h->host);
	free(h->ca);
	free(h->cert);
	free_secret(h->key);
	free_secret(h->token);
	free_secret(h->proxy); /* may hold a password */
	free(h);
}

void http_answer_fini(struct http_answer *a)
{
	/* A log-in's is a token. */
	if (a->body)
		explicit_bzero(a->body, a->body_len);
	free(a->body);
	memset(a, 0, sizeof(*a));
}

/* ---- calls */

static int check_headers(const struct http_request *rq, struct err *e)
{
	for (unsigned int i = 0; rq->headers && rq->headers[i]; i++)
		if (strpbrk(rq->headers[i], "\r\n"))
			return err_set(e, EINVAL, "a header holds a line end");
	return 0;
}

/* The certificate at CA_PATH; who answers is not verified. */
static int fetch_unverified_ca(struct http *h, char **ret, struct err *e)
{
	const struct http_request rq = {
		.method = "GET",
		.path = CA_PATH,
		.answer_max = CA_ANSWER_MAX,
	};
	AUTO(http_answer_fini) struct http_answer a = { 0 };
	AUTO(http_handle_freep) CURL *c = NULL;
	int r = http_handle_new(&h->server, NULL, h->why, &c, e);

	if (r == 0)
		r = perform_request(h, c, NULL, &rq, &a, e);
	if (r < 0)
		return r;
	if (a.status != 200 || !a.body)
		return err_set(
			e, EPROTO,
			"GET https://%s:%u%s: status %d instead of the CA",
			h->host, h->server.port, CA_PATH, a.status);
	*ret = copy_first_certificate(a.body);
	return *ret ? 0
		    : err_set(e, EPROTO,
			      "GET https://%s:%u%s: not a certificate", h->host,
			      h->server.port, CA_PATH);
}

/*
 * The first contact, when only the digest of the CA's certificate is known.
 * Safe because nothing secret is sent on this connection (no token, no
 * certificate of ours), and of what comes back only a certificate that has the
 * pinned digest is used. Everything else goes over a second connection, whose
 * only trust anchor that certificate is.
 */
static int fetch_pinned_ca(struct http *h, struct err *e)
{
	auto_free char *ca = NULL;
	uint8_t digest[HASH_SIZE];
	int r = fetch_unverified_ca(h, &ca, e);

	if (r == 0)
		r = x509_digest(ca, digest, e);
	if (r == 0 && hash_compare(digest, h->ca_digest, HASH_SIZE) != 0)
		r = err_set(e, EKEYREJECTED,
			    "https://%s:%u: its CA is not the one that was "
			    "pinned",
			    h->host, h->server.port);
	if (r == 0)
		r = http_handle_new(&h->server, ca, h->why, &h->curl, e);
	if (r == 0)
		h->server.ca_pem = h->ca = steal(ca);
	return r;
}

int http_call(struct http *h, const struct http_request *rq,
	      struct http_answer *ret, struct err *e)
{
	int r = check_headers(rq, e);

	if (r == 0 && !h->curl)
		r = fetch_pinned_ca(h, e);
	if (r < 0)
		return r;
	return perform_request(h, h->curl, h->token, rq, ret, e);
}

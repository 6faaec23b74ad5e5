/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http.h"

#include "lib/auto.h"
#include "lib/crypto/x509.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/lws_error.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#define TIMEOUT_DEFAULT 30
#define ANSWER_DEFAULT (16 * 1024 * 1024)
#define CA_ANSWER_MAX (64 * 1024)
#define CA_PATH "/v1/ca"
#define PIECE (16 * 1024)
#define HOST_MAX 120 /* lws cuts longer names before it checks them */
#define PATH_MAX_LEN 1800
#define WARM_SECONDS 3 /* less than servers keep an idle connection */
#define NAME "http"

enum progress { WAITING, DONE, FAILED };

/* The request under way. */
struct pending_request {
	const struct http_request *rq;
	struct http_answer answer;
	struct lws *wsi; /* NULL: gone */
	enum progress progress;
	bool is_last; /* on this connection */
	size_t max, room, sent;
	int code;
	char why[160];
};

struct http {
	struct lws_context *context;
	struct lws_vhost *vhost; /* NULL: the CA is not known yet */
	char *host, *ca, *cert, *key, *token;
	uint16_t port;
	uint8_t ca_digest[HASH_SIZE];
	unsigned int timeout;
	bool first_contact; /* the CA is being fetched, nobody is trusted */
	lws_sorted_usec_list_t deadline;
	struct pending_request call;
};

/* Only the connection of the request under way knows us; see
 * perform_http_request(). */
static struct http *get_http_client(struct lws *wsi)
{
	struct http *h = lws_get_opaque_user_data(wsi);

	if (h)
		h->call.wsi = wsi;
	return h;
}

/* lws looks at its timers and then sleeps: make it come back instead. */
static void finish_http_call(struct http *h, enum progress progress)
{
	if (h->call.progress != WAITING)
		return;
	h->call.progress = progress;
	lws_cancel_service(h->context);
}

__attribute__((format(printf, 3, 4))) static int
fail_http_call(struct http *h, int code, const char *fmt, ...)
{
	struct pending_request *c = &h->call;
	va_list ap;

	if (c->progress != WAITING)
		return -1;
	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	c->code = code;
	finish_http_call(h, FAILED);
	return -1;
}

static void on_deadline_expired(lws_sorted_usec_list_t *sul)
{
	struct http *h = lws_container_of(sul, struct http, deadline);

	fail_http_call(h, ETIMEDOUT, "no progress for %u s", h->timeout);
}

/* Something moved: the clock starts again, ours and the one lws keeps. */
static void restart_deadline(struct http *h)
{
	lws_sul_schedule(h->context, 0, &h->deadline, on_deadline_expired,
			 (lws_usec_t)h->timeout * LWS_USEC_PER_SEC);
}

/* ---- sending */

static int append_header_line(unsigned char **p,
			      unsigned char *finish_http_call, const char *fmt,
			      ...) __attribute__((format(printf, 3, 4)));
static int append_header_line(unsigned char **p, unsigned char *end,
			      const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf((char *)*p, (size_t)(end - *p), fmt, ap);
	va_end(ap);
	if (n < 0 || n + 2 >= end - *p)
		return -1;
	*p += n;
	*(*p)++ = '\r';
	*(*p)++ = '\n';
	return 0;
}

static int append_request_headers(struct http *h, struct lws *wsi,
				  unsigned char **p, size_t room)
{
	const struct http_request *rq = h->call.rq;
	unsigned char *end = *p + room;
	int r = 0;

	if (h->token && !h->first_contact)
		r |= append_header_line(p, end, "Authorization: Bearer %s",
					h->token);
	for (unsigned int i = 0; rq->headers && rq->headers[i]; i++)
		r |= append_header_line(p, end, "%s", rq->headers[i]);
	if (rq->body || strcmp(rq->method, "POST") == 0 ||
	    strcmp(rq->method, "PUT") == 0)
		r |= append_header_line(p, end, "Content-Length: %zu",
					rq->body_len);
	if (rq->body)
		r |= append_header_line(p, end, "Content-Type: %s",
					rq->content_type ? rq->content_type
							 : "application/json");
	if (r < 0)
		return fail_http_call(h, EMSGSIZE,
				      "the request's headers are too long");
	if (rq->body_len > 0) {
		lws_client_http_body_pending(wsi, 1);
		lws_callback_on_writable(wsi);
	}
	restart_deadline(h);
	return 0;
}

static int send_body_piece(struct http *h, struct lws *wsi)
{
	const struct http_request *rq = h->call.rq;
	unsigned char piece[LWS_PRE + PIECE];
	size_t n = rq->body_len - h->call.sent;

	if (n == 0)
		return 0;
	if (n > PIECE)
		n = PIECE;
	memcpy(piece + LWS_PRE, (const char *)rq->body + h->call.sent, n);
	h->call.sent += n;
	if (h->call.sent == rq->body_len)
		lws_client_http_body_pending(wsi, 0);
	if (lws_write(wsi, piece + LWS_PRE, n, LWS_WRITE_HTTP) < 0)
		return fail_http_call(h, ECONNRESET,
				      "connection lost while sending");
	lws_set_timeout(wsi, PENDING_TIMEOUT_CLIENT_ISSUE_PAYLOAD,
			(int)h->timeout);
	restart_deadline(h);
	lws_callback_on_writable(wsi);
	return 0;
}

/* ---- receiving */

static void copy_answer_header(struct lws *wsi, enum lws_token_indexes token,
			       char *ret, int size)
{
	if (lws_hdr_copy(wsi, ret, size, token) < 0)
		ret[0] = '\0';
}

/* Answers that have no body by definition; lws would wait for one. */
static bool is_bodiless_answer(const struct pending_request *c)
{
	return strcmp(c->rq->method, "HEAD") == 0 || c->answer.status == 204 ||
	       c->answer.status == 304;
}

static int read_answer_headers(struct http *h, struct lws *wsi)
{
	struct http_answer *a = &h->call.answer;
	char number[16], connection[16];
	uint64_t n;

	a->status = (int)lws_http_client_http_response(wsi);
	copy_answer_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, a->content_type,
			   sizeof(a->content_type));
	copy_answer_header(wsi, WSI_TOKEN_HTTP_ETAG, a->etag, sizeof(a->etag));
	copy_answer_header(wsi, WSI_TOKEN_CONNECTION, connection,
			   sizeof(connection));
	h->call.is_last = strcasecmp(connection, "close") == 0;
	copy_answer_header(wsi, WSI_TOKEN_HTTP_RETRY_AFTER, number,
			   sizeof(number));
	if (number[0] && encoding_parse_number(number, 86400, &n) == 0)
		a->retry_after = (unsigned int)n;
	restart_deadline(h);
	if (!is_bodiless_answer(&h->call))
		return 0;
	finish_http_call(h, DONE);
	return -1;
}

static int append_answer_body(struct http *h, const void *data, size_t len)
{
	struct http_answer *a = &h->call.answer;
	struct pending_request *c = &h->call;

	if (len > c->max - a->body_len)
		return fail_http_call(h, EFBIG,
				      "the answer is larger than %zu bytes",
				      c->max);
	if (c->room - a->body_len <= len) {
		size_t room = (c->room + len) * 2 + 1;
		char *bigger = realloc(a->body, room);

		if (!bigger)
			return fail_http_call(h, ENOMEM, "%s",
					      strerror(ENOMEM));
		a->body = bigger;
		c->room = room;
	}
	memcpy(a->body + a->body_len, data, len);
	a->body_len += len;
	a->body[a->body_len] = '\0';
	restart_deadline(h);
	return 0;
}

static int read_answer_body(struct lws *wsi)
{
	char buffer[LWS_PRE + PIECE], *p = buffer + LWS_PRE;
	int n = PIECE;

	return lws_http_client_read(wsi, &p, &n) < 0 ? -1 : 0;
}

static void explain_lws_error(struct http *h, const char *lws_said)
{
	struct pending_request *c = &h->call;

	if (c->progress != WAITING)
		return;
	c->code = lws_error_describe(h->host, h->port, lws_said, c->why,
				     sizeof(c->why));
	finish_http_call(h, FAILED);
}

static int on_client_event(struct lws *wsi, enum lws_callback_reasons reason,
			   void *user, void *in, size_t len)
{
	struct http *h = wsi ? get_http_client(wsi) : NULL;

	if (!h)
		return 0;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return append_request_headers(h, wsi, in, len);
	case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
		return send_body_piece(h, wsi);
	case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
		return read_answer_headers(h, wsi);
	case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
		return read_answer_body(wsi);
	case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
		return append_answer_body(h, in, len);
	case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
		finish_http_call(h, DONE);
		return 0;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		explain_lws_error(h, in);
		return 0;
	case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
		fail_http_call(h, ECONNRESET,
			       "closed in the middle of the answer");
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		fail_http_call(h, ECONNRESET, "closed without an answer");
		h->call.wsi = NULL;
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{ .name = NAME, .callback = on_client_event, .rx_buffer_size = PIECE },
	{ .name = NULL },
};

/* ---- set-up */

/* lws takes exactly one certificate: the first of the text. */
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

/*
 * With a CA: it becomes the only trust anchor (lws replaces the whole store by
 * it). Without one: for the first contact only, see fetch_pinned_ca().
 */
static int open_client_vhost(struct http *h, const char *ca,
			     struct lws_vhost **ret, struct err *e)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
		.vhost_name = ca ? "trusted" : "first-contact",
		.http_proxy_address = "", /* else lws reads $http_proxy */
		.connect_timeout_secs = h->timeout,
		.timeout_secs = h->timeout,
		.client_ssl_ca_mem = ca,
		.client_ssl_ca_mem_len = ca ? (unsigned int)strlen(ca) : 0,
	};
	struct lws_vhost *vhost;

	if (ca && h->cert) {
		info.client_ssl_cert_mem = h->cert;
		info.client_ssl_cert_mem_len = (unsigned int)strlen(h->cert);
		info.client_ssl_key_mem = h->key;
		info.client_ssl_key_mem_len = (unsigned int)strlen(h->key);
	}
	vhost = lws_create_vhost(h->context, &info);
	if (!vhost)
		return err_set(e, EINVAL,
			       "set up TLS for %s: a certificate or key is not "
			       "usable",
			       h->host);
	*ret = vhost;
	return 0;
}

static int open_lws_context(struct http *h, struct err *e)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
		.timeout_secs = h->timeout,
		.pt_serv_buf_size = PIECE,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
	};

	lws_error_capture();
	h->context = lws_create_context(&info);
	return h->context ? 0 : err_oom(e, "set up TLS");
}

static int duplicate_optional_text(const char *s, char **ret)
{
	if (!s)
		return 0;
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

static int check_http_server(const struct http_target *s, struct err *e)
{
	size_t n = s->host ? strlen(s->host) : 0;

	/*
	 * lws cuts the name at a colon before it compares it with the
	 * certificate, so an IPv6 address would leave nothing to compare.
	 */
	if (n == 0 || n > HOST_MAX || strpbrk(s->host, ":/@?# \t\r\n"))
		return err_set(e, EINVAL,
			       "server '%.40s': neither a name nor an IPv4 "
			       "address",
			       n > 0 ? s->host : "");
	if (!s->ca_pem && !s->ca_digest)
		return err_set(e, EINVAL, "server %s: no CA to trust", s->host);
	if (!s->cert_pem != !s->key_pem)
		return err_set(e, EINVAL,
			       "server %s: a certificate needs its key",
			       s->host);
	if (s->token && strpbrk(s->token, "\r\n"))
		return err_set(e, EINVAL, "the token holds a line end");
	return 0;
}

int http_new(const struct http_target *server, struct http **ret, struct err *e)
{
	AUTO(http_freep) struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_oom(e, "http");
	r = check_http_server(server, e);
	if (r < 0)
		return r;
	h->port = server->port;
	h->timeout = server->timeout ? server->timeout : TIMEOUT_DEFAULT;
	if (duplicate_optional_text(server->host, &h->host) < 0 ||
	    duplicate_optional_text(server->token, &h->token) < 0 ||
	    duplicate_optional_text(server->cert_pem, &h->cert) < 0 ||
	    duplicate_optional_text(server->key_pem, &h->key) < 0)
		return err_oom(e, "http");
	if (server->ca_pem) {
		h->ca = copy_first_certificate(server->ca_pem);
		if (!h->ca)
			return err_set(e, EINVAL,
				       "CA for %s: holds no PEM certificate",
				       h->host);
	} else {
		memcpy(h->ca_digest, server->ca_digest, HASH_SIZE);
	}
	r = open_lws_context(h, e);
	if (r < 0)
		return r;
	if (h->ca) {
		r = open_client_vhost(h, h->ca, &h->vhost, e);
		if (r < 0)
			return r;
	}
	*ret = steal(h);
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	h->call.wsi = NULL;
	if (h->context)
		lws_context_destroy(h->context);
	if (h->key)
		explicit_bzero(h->key, strlen(h->key));
	free(h->host);
	free(h->ca);
	free(h->cert);
	free(h->key);
	free(h->token);
	free(h);
}

void http_answer_fini(struct http_answer *a)
{
	free(a->body);
	memset(a, 0, sizeof(*a));
}

/* ---- calls */

static int check_http_request(const struct http_request *rq, struct err *e)
{
	if (rq->path[0] != '/' || strlen(rq->path) > PATH_MAX_LEN ||
	    strpbrk(rq->path, " \t\r\n"))
		return err_set(e, EINVAL, "request path '%.60s' is not usable",
			       rq->path);
	for (unsigned int i = 0; rq->headers && rq->headers[i]; i++)
		if (strpbrk(rq->headers[i], "\r\n"))
			return err_set(e, EINVAL, "a header holds a line end");
	return 0;
}

static void start_http_request(struct http *h, struct lws_vhost *vhost)
{
	struct lws_client_connect_info info = {
		.context = h->context,
		.vhost = vhost,
		.address = h->host,
		.host = h->host, /* lws reuses connections by this */
		.port = h->port,
		.path = h->call.rq->path,
		.method = h->call.rq->method,
		.local_protocol_name = NAME,
		.alpn = "http/1.1",
		.ssl_connection =
			LCCSCF_USE_SSL | LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
		.keep_warm_secs = WARM_SECONDS,
		.opaque_user_data = h,
	};

	if (h->first_contact)
		info.ssl_connection |= LCCSCF_ALLOW_SELFSIGNED |
				       LCCSCF_ALLOW_INSECURE |
				       LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
	else
		info.ssl_connection |= LCCSCF_PIPELINE;
	restart_deadline(h);
	lws_error_clear();
	if (!lws_client_connect_via_info(&info)) {
		h->call.wsi = NULL;
		explain_lws_error(h, NULL);
	}
}

static int perform_http_request(struct http *h, struct lws_vhost *vhost,
				const struct http_request *rq,
				struct http_answer *ret, struct err *e)
{
	struct pending_request *c = &h->call;

	memset(c, 0, sizeof(*c));
	c->rq = rq;
	c->max = rq->answer_max ? rq->answer_max : ANSWER_DEFAULT;
	lws_service(h->context, -1); /* idle connections that ended meanwhile */
	start_http_request(h, vhost);
	while (c->progress == WAITING)
		if (lws_service(h->context, 0) < 0)
			fail_http_call(h, EIO, "libwebsockets stopped");
	lws_sul_schedule(h->context, 0, &h->deadline, NULL,
			 LWS_SET_TIMER_USEC_CANCEL);
	if (c->wsi)
		lws_set_opaque_user_data(c->wsi, NULL);
	if (c->wsi && (c->progress == FAILED || c->is_last || h->first_contact))
		lws_set_timeout(c->wsi, 1, LWS_TO_KILL_ASYNC);
	c->wsi = NULL;
	if (c->progress == FAILED) {
		http_answer_fini(&c->answer);
		return err_set(e, c->code, "%s https://%s:%u%s: %s", rq->method,
			       h->host, h->port, rq->path, c->why);
	}
	*ret = c->answer;
	return 0;
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
	const struct http_request rq = {
		.method = "GET",
		.path = CA_PATH,
		.answer_max = CA_ANSWER_MAX,
	};
	AUTO(http_answer_fini) struct http_answer a = { 0 };
	uint8_t digest[HASH_SIZE];
	struct lws_vhost *vhost;
	int r;

	r = open_client_vhost(h, NULL, &vhost, e);
	if (r < 0)
		return r;
	h->first_contact = true;
	r = perform_http_request(h, vhost, &rq, &a, e);
	h->first_contact = false;
	/* Its connection ends first: lws 4.1 would never free the vhost. */
	lws_service(h->context, -1);
	lws_vhost_destroy(vhost);
	if (r < 0)
		return r;
	if (a.status != 200 || !a.body)
		return err_set(
			e, EPROTO,
			"GET https://%s:%u%s: status %d instead of the CA",
			h->host, h->port, CA_PATH, a.status);
	h->ca = copy_first_certificate(a.body);
	if (!h->ca)
		return err_set(e, EPROTO,
			       "GET https://%s:%u%s: not a certificate",
			       h->host, h->port, CA_PATH);
	r = x509_digest(h->ca, digest, e);
	if (r == 0 && hash_compare(digest, h->ca_digest, HASH_SIZE) != 0)
		r = err_set(e, EKEYREJECTED,
			    "https://%s:%u: its CA is not the one that was "
			    "pinned",
			    h->host, h->port);
	if (r == 0)
		r = open_client_vhost(h, h->ca, &h->vhost, e);
	if (r < 0) {
		free(h->ca);
		h->ca = NULL;
	}
	return r;
}

int http_call(struct http *h, const struct http_request *rq,
	      struct http_answer *ret, struct err *e)
{
	int r = check_http_request(rq, e);

	if (r == 0 && !h->vhost)
		r = fetch_pinned_ca(h, e);
	if (r < 0)
		return r;
	return perform_http_request(h, h->vhost, rq, ret, e);
}

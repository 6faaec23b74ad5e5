/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transport.h"

#include "agent/lws_error.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <fcntl.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/queue.h>

#define LOOP "cells-loop"
#define PROTOCOL "cells-peer"
#define SOON 1 /* microseconds */
#define TIMEOUT_SECONDS 20
/* What is read at once: a whole TLS record (RFC 8446, section 5.1), as
 * libwebsockets 4.1 may go round for ever with the rest of one. */
#define PIECE (16 * 1024)
#define GRAVE_USEC 500000

/* The vhost of a peer that was freed, until its connections have ended too. */
struct retired_vhost {
	LIST_ENTRY(retired_vhost) next;
	struct lws_vhost *vhost;
	lws_sorted_usec_list_t due;
};

struct transport {
	struct lws_context *context;
	struct lws_vhost *loop;
	LIST_HEAD(, retired_vhost) retired;
};

struct out {
	STAILQ_ENTRY(out) next;
	size_t len;
	unsigned char bytes[]; /* LWS_PRE, then the message */
};

struct transport_peer {
	struct transport *transport;
	struct lws_vhost *vhost;
	char *host;
	char address[INET6_ADDRSTRLEN]; /* "": not known */
	uint16_t port;
	struct transport_ops ops;
	void *user;

	struct lws *wsi; /* the WebSocket; NULL: none */
	bool is_open, is_closing, is_over;
	STAILQ_HEAD(, out) out;
	char *in; /* the message that is coming in */
	size_t in_len, message_max;
	struct transport_end end;
	lws_sorted_usec_list_t over;
};

/* ---- the WebSocket */

/* Where it is connected to, or will be. */
static const char *get_peer_address(const struct transport_peer *p)
{
	return p->address[0] ? p->address : p->host;
}

static void drop_message_queues(struct transport_peer *p)
{
	struct out *o;

	while ((o = STAILQ_FIRST(&p->out))) {
		STAILQ_REMOVE_HEAD(&p->out, next);
		free(o);
	}
	free(p->in);
	p->in = NULL;
	p->in_len = 0;
}

/*
 * Called from the loop, never from within another call of ours or of lws. The
 * loop is made to come back, as lws looks at its timers and then sleeps: the
 * other loop would not see what this set in motion.
 */
static void report_websocket_end(lws_sorted_usec_list_t *sul)
{
	struct transport_peer *p =
		lws_container_of(sul, struct transport_peer, over);
	struct transport_end end = p->end;

	drop_message_queues(p);
	p->is_open = p->is_closing = p->is_over = false;
	lws_cancel_service(p->transport->context);
	p->ops.closed(p->user, &end);
}

static void schedule_websocket_end(struct transport_peer *p)
{
	if (p->is_over)
		return;
	p->is_over = true;
	lws_sul_schedule(p->transport->context, 0, &p->over,
			 report_websocket_end, SOON);
}

/* Status and Retry-After of an HTTP answer. */
static void read_end_status(struct lws *wsi, struct transport_end *end)
{
	char number[16] = "";
	uint64_t n;

	end->status = (int)lws_http_client_http_response(wsi);
	if (lws_hdr_copy(wsi, number, sizeof(number),
			 WSI_TOKEN_HTTP_RETRY_AFTER) > 0 &&
	    encoding_parse_number(number, 86400, &n) == 0)
		end->retry_after = (unsigned int)n;
}

static void explain_websocket_end(struct transport_peer *p, struct lws *wsi,
				  const char *said)
{
	struct transport_end *end = &p->end;

	if (end->why[0])
		return;
	if (wsi)
		read_end_status(wsi, end);
	if (end->status >= 300)
		snprintf(end->why, sizeof(end->why), "HTTP status %d",
			 end->status);
	else
		lws_error_describe(get_peer_address(p), p->port, said, end->why,
				   sizeof(end->why));
}

static int set_close_reason(struct transport_peer *p, const char *why)
{
	snprintf(p->end.why, sizeof(p->end.why), "%s", why);
	return -1;
}

static int receive_fragment(struct transport_peer *p, struct lws *wsi,
			    const void *data, size_t len)
{
	char *bigger;

	if (lws_frame_is_binary(wsi))
		return set_close_reason(p, "the server sent a binary message");
	if (p->in_len + len > p->message_max)
		return set_close_reason(p,
					"the server sent too long a message");
	bigger = realloc(p->in, p->in_len + len + 1);
	if (!bigger)
		return set_close_reason(p, "out of memory");
	p->in = bigger;
	memcpy(p->in + p->in_len, data, len);
	p->in_len += len;
	p->in[p->in_len] = '\0';
	if (lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi)) {
		auto_free char *text = steal(p->in);
		size_t text_len = p->in_len;

		p->in_len = 0;
		p->ops.received(p->user, text, text_len);
	}
	return 0;
}

static int send_queued_message(struct transport_peer *p, struct lws *wsi)
{
	auto_free struct out *o = STAILQ_FIRST(&p->out);

	if (o) {
		STAILQ_REMOVE_HEAD(&p->out, next);
		if (lws_write(wsi, o->bytes + LWS_PRE, o->len, LWS_WRITE_TEXT) <
		    0)
			return set_close_reason(
				p, "connection lost while sending");
		lws_callback_on_writable(wsi);
		return 0;
	}
	if (!p->is_closing)
		return 0;
	lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
	return -1;
}

static int on_websocket_event(struct lws *wsi, enum lws_callback_reasons reason,
			      void *user, void *in, size_t len)
{
	struct transport_peer *p = wsi ? lws_get_opaque_user_data(wsi) : NULL;

	if (!p)
		return 0;
	p->wsi = wsi;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		p->is_open = true;
		p->ops.opened(p->user);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return receive_fragment(p, wsi, in, len);
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return send_queued_message(p, wsi);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		explain_websocket_end(p, wsi, in);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		if (!p->end.why[0] && !p->is_closing)
			set_close_reason(
				p, p->is_open ? "connection lost"
					      : "closed without an answer");
		p->wsi = NULL;
		schedule_websocket_end(p);
		return 0;
	default:
		return 0;
	}
}

/* Pings keep NAT entries alive and find dead connections. */
static const lws_retry_bo_t validity = {
	.secs_since_valid_ping = 240,
	.secs_since_valid_hangup = 300,
};

void transport_open(struct transport_peer *p, const char *path,
		    const char *protocol, size_t message_max)
{
	struct lws_client_connect_info info = {
		.context = p->transport->context,
		.vhost = p->vhost,
		.address = get_peer_address(p),
		.host = p->host,
		.port = p->port,
		.path = path,
		.protocol = protocol,
		.local_protocol_name = PROTOCOL,
		.ssl_connection =
			LCCSCF_USE_SSL | LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
		.retry_and_idle_policy = &validity,
		.opaque_user_data = p,
	};

	memset(&p->end, 0, sizeof(p->end));
	p->message_max = message_max;
	lws_error_clear();
	if (lws_client_connect_via_info(&info))
		return;
	p->wsi = NULL;
	explain_websocket_end(p, NULL, NULL);
	schedule_websocket_end(p);
}

int transport_send(struct transport_peer *p, const char *text, size_t len)
{
	struct out *o;

	if (!p->is_open || p->is_closing || !p->wsi)
		return -ENOTCONN;
	o = malloc(sizeof(*o) + LWS_PRE + len);
	if (!o)
		return -ENOMEM;
	o->len = len;
	memcpy(o->bytes + LWS_PRE, text, len);
	STAILQ_INSERT_TAIL(&p->out, o, next);
	lws_callback_on_writable(p->wsi);
	return 0;
}

void transport_close(struct transport_peer *p)
{
	if (!p->wsi || p->is_closing)
		return;
	p->is_closing = true;
	if (p->is_open)
		lws_callback_on_writable(p->wsi);
	else
		lws_set_timeout(p->wsi, 1, LWS_TO_KILL_ASYNC);
}

/* ---- peers */

static int on_loop_event(struct lws *wsi, enum lws_callback_reasons reason,
			 void *user, void *in, size_t len)
{
	return 0; /* that lws_service() returns is all that is wanted */
}

static const struct lws_protocols peer_protocols[] = {
	{ .name = PROTOCOL,
	  .callback = on_websocket_event,
	  .rx_buffer_size = PIECE },
	{ .name = NULL },
};

static const struct lws_protocols loop_protocols[] = {
	{ .name = LOOP, .callback = on_loop_event },
	{ .name = NULL },
};

/* The CA replaces all other trust. */
static int open_peer_vhost(struct transport_peer *p,
			   const struct transport_identity *id, struct err *e)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = peer_protocols,
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
		.vhost_name = "peer",
		.http_proxy_address = "", /* else lws reads $http_proxy */
		.timeout_secs = TIMEOUT_SECONDS,
		.connect_timeout_secs = TIMEOUT_SECONDS,
		.client_ssl_ca_mem = id->ca_pem,
		.client_ssl_ca_mem_len = (unsigned int)strlen(id->ca_pem),
		.client_ssl_cert_mem = id->cert_pem,
		.client_ssl_cert_mem_len = (unsigned int)strlen(id->cert_pem),
		.client_ssl_key_mem = id->key_pem,
		.client_ssl_key_mem_len = (unsigned int)strlen(id->key_pem),
	};

	p->vhost = lws_create_vhost(p->transport->context, &info);
	if (!p->vhost)
		return err_set(e, EINVAL,
			       "set up TLS for %s: a certificate or key is not "
			       "usable",
			       p->host);
	return 0;
}

int transport_peer_new(struct transport *w, const struct transport_identity *id,
		       const struct transport_ops *ops, void *user,
		       struct transport_peer **ret, struct err *e)
{
	AUTO(transport_peer_freep)
	struct transport_peer *p = calloc(1, sizeof(*p));
	size_t n = strlen(id->host);
	int r;

	if (!p)
		return err_oom(e, "connection");
	STAILQ_INIT(&p->out);
	p->transport = w;
	/* lws cuts a name at a colon before it verifies it: nothing is left. */
	if (n == 0 || n > TRANSPORT_HOST_MAX ||
	    strpbrk(id->host, ":/@?# \t\r\n"))
		return err_set(e, EINVAL,
			       "server '%.40s': neither a name nor an IPv4 "
			       "address",
			       id->host);
	p->host = strdup(id->host);
	if (!p->host)
		return err_oom(e, "connection");
	p->port = id->port;
	p->ops = *ops;
	p->user = user;
	r = open_peer_vhost(p, id, e);
	if (r < 0)
		return r;
	*ret = steal(p);
	return 0;
}

void transport_peer_set_address(struct transport_peer *p, const char *address)
{
	snprintf(p->address, sizeof(p->address), "%s", address);
}

static void detach_connection(struct lws *wsi)
{
	if (!wsi)
		return;
	lws_set_opaque_user_data(wsi, NULL);
	lws_set_timeout(wsi, 1, LWS_TO_KILL_ASYNC);
}

static void destroy_retired_vhost(lws_sorted_usec_list_t *sul)
{
	struct retired_vhost *g =
		lws_container_of(sul, struct retired_vhost, due);

	lws_vhost_destroy(g->vhost);
	LIST_REMOVE(g, next);
	free(g);
}

/* lws 4.1 never frees a vhost that is destroyed before its connections ended.
 */
static void retire_peer_vhost(struct transport_peer *p)
{
	struct retired_vhost *g = p->vhost ? calloc(1, sizeof(*g)) : NULL;

	if (!g)
		return; /* it ends with the context */
	g->vhost = p->vhost;
	LIST_INSERT_HEAD(&p->transport->retired, g, next);
	lws_sul_schedule(p->transport->context, 0, &g->due,
			 destroy_retired_vhost, GRAVE_USEC);
}

void transport_peer_free(struct transport_peer *p)
{
	if (!p)
		return;
	detach_connection(p->wsi);
	lws_sul_schedule(p->transport->context, 0, &p->over, NULL,
			 LWS_SET_TIMER_USEC_CANCEL);
	retire_peer_vhost(p);
	drop_message_queues(p);
	free(p->host);
	free(p);
}

/* ---- the loop */

static int adopt_loop_descriptor(struct transport *w, int loop_fd,
				 struct err *e)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = loop_protocols,
		.vhost_name = "loop",
		.http_proxy_address = "",
	};
	lws_sock_file_fd_type fd;

	w->loop = lws_create_vhost(w->context, &info);
	if (!w->loop)
		return err_oom(e, "event loop");
	if (loop_fd < 0)
		return 0;
	/* lws closes what it adopted, so it gets a descriptor of its own. */
	fd.filefd = fcntl(loop_fd, F_DUPFD_CLOEXEC, 3);
	if (fd.filefd < 0)
		return err_sys(e, errno, "event loop");
	if (!lws_adopt_descriptor_vhost(w->loop, LWS_ADOPT_RAW_FILE_DESC, fd,
					LOOP, NULL)) {
		close(fd.filefd);
		return err_oom(e, "event loop");
	}
	return 0;
}

int transport_new(int loop_fd, struct transport **ret, struct err *e)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME |
			   LWS_SERVER_OPTION_JUST_USE_RAW_ORIGIN,
		.timeout_secs = TIMEOUT_SECONDS,
		.pt_serv_buf_size = PIECE,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
	};
	AUTO(transport_freep) struct transport *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_oom(e, "event loop");
	LIST_INIT(&w->retired);
	lws_error_capture();
	w->context = lws_create_context(&info);
	if (!w->context)
		return err_oom(e, "event loop");
	r = adopt_loop_descriptor(w, loop_fd, e);
	if (r < 0)
		return r;
	*ret = steal(w);
	return 0;
}

void transport_free(struct transport *w)
{
	struct retired_vhost *g;

	if (!w)
		return;
	if (w->context)
		lws_context_destroy(w->context);
	while ((g = LIST_FIRST(&w->retired))) {
		LIST_REMOVE(g, next);
		free(g);
	}
	free(w);
}

int transport_service(struct transport *w)
{
	return lws_service(w->context, 0) < 0 ? -EIO : 0;
}

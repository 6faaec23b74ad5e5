/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transport_internal.h"

#include "lib/auto.h"
#include "lib/lws_error.h"

#include <inttypes.h>
#include <string.h>

/* So long for the next so many bytes, or for the rest: a server that sends a
 * byte now and then would hold a lane for days. */
#define STALL_SECONDS 60
#define STALL_BYTES (16 * 1024)
#define WARM_SECONDS 4 /* an idle connection is kept for the next GET */
#define PIECE (16 * 1024)

static void finish_get_request(lws_sorted_usec_list_t *sul)
{
	struct transport_get *g =
		lws_container_of(sul, struct transport_get, over);

	/* As long as it is there, lws sends the lane's next GET on it too. */
	if (g->wsi && (g->end.why[0] || g->is_last)) {
		lws_set_timeout(g->wsi, 1, LWS_TO_KILL_ASYNC);
		return;
	}
	g->peer->lane[g->lane].wsi = g->wsi;
	if (g->wsi)
		lws_set_opaque_user_data(g->wsi, &g->peer->lane[g->lane]);
	g->peer->get[g->lane] = NULL;
	transport_wake(g->peer->wire);
	g->ops.done(g->user, &g->end);
	free(g);
}

static void schedule_get_finish(struct transport_get *g)
{
	lws_sul_schedule(g->peer->wire->context, 0, &g->over,
			 finish_get_request, TRANSPORT_SOON);
}

static void end_get_request(struct transport_get *g, const char *why)
{
	if (g->is_over)
		return;
	g->is_over = true;
	if (why && !g->end.why[0])
		snprintf(g->end.why, sizeof(g->end.why), "%s", why);
	schedule_get_finish(g);
}

static int append_range_header(struct transport_get *g, unsigned char **p,
			       size_t room)
{
	int n;

	if (g->offset == 0)
		return 0;
	n = snprintf((char *)*p, room, "Range: bytes=%" PRIu64 "-\r\n",
		     g->offset);
	if (n < 0 || (size_t)n >= room)
		return -1;
	*p += n;
	return 0;
}

/* lws counts whole seconds, so what is left is ours to know. */
static void run_stall_timer(struct transport_get *g)
{
	int64_t seconds = (g->left + LWS_USEC_PER_SEC - 1) / LWS_USEC_PER_SEC;

	g->until = lws_now_usecs() + g->left;
	if (g->left > 0)
		lws_set_timeout(g->wsi, PENDING_TIMEOUT_HTTP_CONTENT,
				(int)seconds);
	else
		lws_set_timeout(g->wsi, 1, LWS_TO_KILL_ASYNC);
}

/* While we are paused it is we who are slow. */
static void pause_stall_timer(struct transport_get *g)
{
	g->left = g->until - lws_now_usecs();
	lws_set_timeout(g->wsi, NO_PENDING_TIMEOUT, 0);
}

static void restart_stall_timer(struct transport_get *g)
{
	g->since = 0;
	g->left = STALL_SECONDS * LWS_USEC_PER_SEC;
	if (g->peer->is_paused)
		lws_set_timeout(g->wsi, NO_PENDING_TIMEOUT, 0);
	else
		run_stall_timer(g);
}

static void read_get_status(struct transport_get *g, struct lws *wsi)
{
	char connection[16] = "";

	lws_hdr_copy(wsi, connection, sizeof(connection), WSI_TOKEN_CONNECTION);
	g->is_last = strcasecmp(connection, "close") == 0;
	transport_read_status(wsi, &g->end);
	if (g->end.status != 200 && g->end.status != 206)
		snprintf(g->end.why, sizeof(g->end.why), "HTTP status %d",
			 g->end.status);
	restart_stall_timer(g);
}

static int handle_get_data(struct transport_get *g, const void *data,
			   size_t len)
{
	bool from_start = !g->has_data && g->offset > 0 && g->end.status == 200;

	if (g->end.why[0]) /* the body of an error */
		return 0;
	g->has_data = true;
	g->since += len;
	if (g->since >= STALL_BYTES)
		restart_stall_timer(g);
	if (g->ops.data(g->user, from_start, data, len) == 0)
		return 0;
	end_get_request(g, "stopped");
	return -1;
}

static int read_get_body(struct transport_get *g, struct lws *wsi)
{
	char buffer[LWS_PRE + PIECE], *p = buffer + LWS_PRE;
	int n = PIECE;

	if (g->peer->is_paused || g->end.status == 0)
		return 0;
	return lws_http_client_read(wsi, &p, &n) < 0 ? -1 : 0;
}

static void explain_get_failure(struct transport_get *g, const char *said)
{
	if (!g->end.why[0])
		lws_error_describe(transport_peer_address(g->peer),
				   g->peer->port, said, g->end.why,
				   sizeof(g->end.why));
}

static int on_get_event(void *self, struct lws *wsi,
			enum lws_callback_reasons reason, void *in, size_t len)
{
	struct transport_get *g = self;

	g->wsi = wsi;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return append_range_header(g, in, len);
	case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
		read_get_status(g, wsi);
		return 0;
	case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
	case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
		return read_get_body(g, wsi);
	case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
		return handle_get_data(g, in, len);
	case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
		end_get_request(g, NULL);
		return 0;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		explain_get_failure(g, in);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		g->wsi = NULL;
		end_get_request(g, g->has_data ? "connection lost"
					       : "closed without an answer");
		schedule_get_finish(g);
		return 0;
	default:
		return 0;
	}
}

int transport_get_on_idle(void *self, struct lws *wsi,
			  enum lws_callback_reasons reason, void *in,
			  size_t len)
{
	struct idle_connection *l = self;

	if (reason == LWS_CALLBACK_WSI_DESTROY && l->wsi == wsi)
		l->wsi = NULL;
	return 0;
}

int transport_start_get(struct transport_peer *p, unsigned int lane,
			const char *path, uint64_t offset,
			const struct transport_get_ops *ops, void *user)
{
	struct lws_client_connect_info info = {
		.context = p->wire->context,
		.vhost = p->vhost[lane],
		.host = p->host,
		.port = p->port,
		.path = path,
		.method = "GET",
		.local_protocol_name = TRANSPORT_PROTOCOL,
		.alpn = "http/1.1",
		.ssl_connection = LCCSCF_USE_SSL | LCCSCF_PIPELINE |
				  LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
		.keep_warm_secs = WARM_SECONDS,
	};
	struct transport_get *g;

	if (lane >= p->lanes || p->get[lane])
		return -EBUSY;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->owner.on_event = on_get_event;
	g->peer = p;
	g->lane = lane;
	g->ops = *ops;
	g->user = user;
	g->offset = offset;
	p->get[lane] = g;
	/* lws knows the connection that is there by the host's name, and asks
	 * nobody then. */
	info.address = p->lane[lane].wsi ? p->host : transport_peer_address(p);
	info.opaque_user_data = g;
	lws_error_clear();
	if (!lws_client_connect_via_info(&info)) {
		g->wsi = NULL;
		explain_get_failure(g, NULL);
		end_get_request(g, NULL);
	}
	return 0;
}

/* Its answer is coming in. */
static bool has_stall_timer(const struct transport_get *g)
{
	return g && g->wsi && g->end.status != 0 && !g->is_over;
}

void transport_pause_gets(struct transport_peer *p)
{
	if (p->is_paused)
		return;
	p->is_paused = true;
	for (unsigned int i = 0; i < p->lanes; i++)
		if (has_stall_timer(p->get[i]))
			pause_stall_timer(p->get[i]);
}

void transport_resume_gets(struct transport_peer *p)
{
	if (!p->is_paused)
		return;
	p->is_paused = false;
	/* What waits is read where a failure can be answered: in a callback. */
	for (unsigned int i = 0; i < p->lanes; i++) {
		struct transport_get *g = p->get[i];

		if (!has_stall_timer(g))
			continue;
		run_stall_timer(g);
		lws_callback_on_writable(g->wsi);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/listener/listener.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/callbacks.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/password_pool.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/listener/http_exchange.h"
#include "mgmt-server/listener/http_server.h"
#include "mgmt-server/listener/listener_service.h"
#include "mgmt-server/listener/reply.h"
#include "mgmt-server/listener/websocket.h"
#include "mgmt-server/store/pki.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#define HEADERS_SIZE 4096
#define HEADERS_SECONDS 10 /* to send the headers */
#define CONTENT_SECONDS 20 /* between two pieces of a body */
#define RENEW_CHECK_SECONDS 3600
#define SPARE_FDS 64 /* database, logs, listeners */
/* What a WebSocket reads at once: a whole TLS record (RFC 8446, section 5.1).
 * Of one that is read by parts OpenSSL keeps the rest, and libwebsockets 4.1
 * goes round for ever where the connection ends before that is read. Pages that
 * no message reaches stay untouched. */
#define RX_RECORD 16384

static void log_websockets_line(int level, const char *line)
{
	if (level & LLL_ERR)
		log_warning("libwebsockets: %s", line);
	else
		log_debug("libwebsockets: %s", line);
}

static int handle_signal_event(struct lws *wsi,
			       enum lws_callback_reasons reason, void *user,
			       void *in, size_t len)
{
	struct listener_context *ed = lws_context_user(lws_get_context(wsi));
	struct signalfd_siginfo info;

	if (reason != LWS_CALLBACK_RAW_RX_FILE || ed->signals < 0)
		return 0;
	while (read(ed->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGCHLD) {
			ed->stop = true;
			continue;
		}
		/* Who waits for it, or for one that is free, looks again. */
		password_pool_reap(ed->service->passwords);
		http_server_run_held(ed, true);
	}
	return 0;
}

static int open_signal_descriptor(struct listener_context *ed, struct err *e)
{
	lws_sock_file_fd_type fd;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, errno, "block signals");
	ed->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (ed->signals < 0)
		return err_sys(e, errno, "open a signal descriptor");
	fd.filefd = ed->signals;
	if (!lws_adopt_descriptor_vhost(ed->admin, LWS_ADOPT_RAW_FILE_DESC, fd,
					"signals", NULL))
		return err_set(e, EIO, "watch the signal descriptor");
	return 0;
}

/* The certificate that new connections see; those that are open keep theirs. */
static void renew_server_certificate(struct listener_context *ed)
{
	const struct pki *pki = ed->service->pki;
	int64_t now = clock_wall();
	struct err e;
	int r;

	if (now >= ed->renewed && now - ed->renewed < RENEW_CHECK_SECONDS)
		return;
	ed->renewed = now;
	r = pki_renew_server(pki, &e);
	if (r < 0)
		log_error("renew the server's certificate: %s", e.text);
	if (r > 0 &&
	    lws_tls_cert_updated(ed->lws, pki_server_cert_path(pki),
				 pki_server_key_path(pki), NULL, 0, NULL, 0))
		log_error("use the new certificate of the server: it will be at"
			  " the next start");
}

static void on_tick_timer(lws_sorted_usec_list_t *sul)
{
	struct listener_context *ed =
		lws_container_of(sul, struct listener_context, tick);
	struct err e;

	sd_notify(0, "WATCHDOG=1");
	renew_server_certificate(ed);
	if (ed->service->tick(ed->service->ctx, &e) < 0)
		log_error("%s", e.text);
	http_server_run_held(ed, true);
	reply_limit_early_senders(ed);
	websocket_close_expired_subscribers(ed);
	lws_sul_schedule(ed->lws, 0, &ed->tick, on_tick_timer, LWS_US_PER_SEC);
}

static void on_work_timer(lws_sorted_usec_list_t *sul)
{
	struct listener_context *ed =
		lws_container_of(sul, struct listener_context, work);

	if (ed->service->run_work(ed->service->ctx))
		lws_sul_schedule(ed->lws, 0, &ed->work, on_work_timer,
				 LWS_US_PER_MS);
}

static void schedule_pending_work(void *ctx)
{
	struct listener_context *ed = ctx;

	lws_sul_schedule(ed->lws, 0, &ed->work, on_work_timer, 1);
}

static uint64_t get_connection_limit(const struct settings *conf)
{
	return conf->connections + conf->admin_connections;
}

static void raise_descriptor_limit(const struct settings *conf)
{
	uint64_t wanted = get_connection_limit(conf) + SPARE_FDS;
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	rl.rlim_cur = wanted < rl.rlim_max ? wanted : rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < wanted)
		log_warning("%llu connections, but only %llu descriptors",
			    (unsigned long long)get_connection_limit(conf),
			    (unsigned long long)rl.rlim_cur);
}

/* A dead peer is found by a ping within two minutes. */
static const lws_retry_bo_t idle_policy = {
	.secs_since_valid_ping = 60,
	.secs_since_valid_hangup = 90,
};

static int create_lws_context(struct listener_context *ed, bool debug,
			      struct err *e)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
		.user = ed,
		.gid = -1,
		.uid = -1,
		.max_http_header_pool2 =
			(unsigned int)get_connection_limit(ed->service->conf),
		.max_http_header_data = HEADERS_SIZE,
		.pt_serv_buf_size = RX_RECORD,
		.server_string = "cells-mgmtd",
		.timeout_secs = CONTENT_SECONDS,
		.timeout_secs_ah_idle = HEADERS_SECONDS,
		.retry_and_idle_policy = &idle_policy,
	};

	lws_set_log_level(debug ? LLL_ERR | LLL_WARN | LLL_NOTICE : LLL_ERR,
			  log_websockets_line);
	raise_descriptor_limit(ed->service->conf);
	ed->lws = lws_create_context(&info);
	return ed->lws ? 0 : err_set(e, EIO, "start libwebsockets");
}

static int listen_on_port(struct listener_context *ed,
			  struct listener_port *port,
			  const struct lws_protocols *protocols,
			  const char *listen, uint64_t number,
			  struct lws_vhost **ret, struct err *e)
{
	const struct pki *pki = ed->service->pki;
	struct lws_context_creation_info info = {
		.vhost_name = port->is_device ? "device" : "admin",
		.iface = listen && *listen ? listen : NULL,
		.port = (int)number,
		.protocols = protocols,
		.user = port,
		.alpn = "http/1.1",
		.ssl_cert_filepath = pki_server_cert_path(pki),
		.ssl_private_key_filepath = pki_server_key_path(pki),
		.keepalive_timeout = 60,
		.timeout_secs = CONTENT_SECONDS,
		.retry_and_idle_policy = &idle_policy,
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
			   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
	};

	if (port->is_device) {
		info.ssl_ca_filepath = pki_ca_path(pki);
		info.options |=
			LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT;
	}
	/* An IPv4 address alone cannot be bound as IPv6. */
	if (listen && strchr(listen, '.') && !strchr(listen, ':'))
		info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
	*ret = lws_create_vhost(ed->lws, &info);
	return *ret ? 0
		    : err_set(e, EADDRINUSE, "listen on %s port %llu",
			      listen ? listen : "*",
			      (unsigned long long)number);
}

static int write_bound_ports(struct listener_context *ed, const char *run_file,
			     struct err *e)
{
	char text[128];
	int n, admin = lws_get_vhost_listen_port(ed->admin);

	ed->service->requests->device_port =
		(uint16_t)lws_get_vhost_listen_port(ed->device);
	log_info("administrators on port %d, devices on port %d", admin,
		 ed->service->requests->device_port);
	if (!run_file)
		return 0;
	n = snprintf(text, sizeof(text), "admin-port = %d\ndevice-port = %d\n",
		     admin, ed->service->requests->device_port);
	return io_replace_file(run_file, text, (size_t)n, 0644, e);
}

/* What the turn wrote becomes durable, and only then its answers go out. */
static void end_loop_turn(struct listener_context *ed)
{
	struct err e = { 0 };
	int r;

	http_server_run_held(ed, false);
	r = turn_commit(ed->service->turn, &e);
	if (r < 0)
		log_error("commit: %s", e.text);
	if (ed->tokens_seen != ed->service->turn->tokens_changed)
		websocket_close_expired_subscribers(ed);
	ed->tokens_seen = ed->service->turn->tokens_changed;
	http_server_release_answers(ed, r, &e);
}

static int run_listener_loop(struct listener_context *ed, const char *run_file,
			     bool debug, struct err *e)
{
	struct listener_port admin = { ed, false }, device = { ed, true };
	const struct lws_protocols admin_protocols[] = {
		{ "rest", http_server_callback, sizeof(struct http_session),
		  0 },
		{ "cells.events.v1", websocket_events_callback,
		  websocket_events_size, RX_RECORD },
		{ "signals", handle_signal_event, 0, 0 },
		{ NULL },
	};
	const struct lws_protocols device_protocols[] = {
		{ "rest", http_server_callback, sizeof(struct http_session),
		  0 },
		{ "cells.v1", websocket_device_callback, websocket_device_size,
		  RX_RECORD },
		{ NULL },
	};
	int r = create_lws_context(ed, debug, e);

	if (r == 0)
		r = listen_on_port(ed, &admin, admin_protocols,
				   ed->service->conf->admin_listen,
				   ed->service->conf->admin_port, &ed->admin,
				   e);
	if (r == 0)
		r = listen_on_port(ed, &device, device_protocols,
				   ed->service->conf->device_listen,
				   ed->service->conf->device_port, &ed->device,
				   e);
	if (r == 0)
		r = open_signal_descriptor(ed, e);
	if (r == 0)
		r = write_bound_ports(ed, run_file, e);
	if (r == 0) {
		*ed->service->callbacks = (struct server_callbacks){
			.ctx = ed,
			.device_ready = websocket_on_device_ready,
			.device_replaced = websocket_on_device_replaced,
			.event = websocket_queue_event,
			.work = schedule_pending_work,
		};
		on_tick_timer(&ed->tick);
		sd_notify(0, "READY=1");
		while (!ed->stop && lws_service(ed->lws, 0) >= 0)
			end_loop_turn(ed);
		sd_notify(0, "STOPPING=1");
	}
	if (ed->lws)
		lws_context_destroy(ed->lws);
	ed->lws = NULL;
	*ed->service->callbacks = (struct server_callbacks){ 0 };
	return r;
}

int listener_run(const struct listener_service *service, const char *run_file,
		 bool debug, struct err *e)
{
	struct listener_context *ed = calloc(1, sizeof(*ed));
	int r;

	if (!ed)
		return err_oom(e, "start");
	ed->service = service;
	ed->limit.conf = service->conf;
	ed->limit.metrics = &service->turn->metrics->connections;
	ed->signals = -1;
	r = run_listener_loop(ed, run_file, debug, e);
	free(ed);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include "agent/chunk_download.h"
#include "agent/enroll.h"
#include "agent/http_multi.h"
#include "agent/identity.h"
#include "agent/inventory.h"
#include "agent/session.h"
#include "agent/transport.h"
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define TICK_US UINT64_C(60000000)
#define SLACK_US UINT64_C(5000000)
#define NS_PER_SEC UINT64_C(1000000000)
#define HELLO_SECONDS 86400
#define FIRST_WAIT_MS 1000
#define MAX_WAIT_MS (5 * 60 * 1000)
#define RENEW_FIRST_MS (60 * 1000)
#define RENEW_MAX_MS (6 * 60 * 60 * 1000)
/* Look-ups and all. Of an enrollment cells-policyd must hear before its
 * patience ends, 120 s after it asked (policyd/enroll.c). */
#define RENEWAL_SECONDS 180
#define ENROLMENT_SECONDS 110

/* ---- the certificate */

static int request_renewal(const void *what, char **ret, size_t *ret_len,
			   struct err *e)
{
	const struct agent *a = what;
	int r = enroll_send_renewal(a->id, a->conf->server, ret, e);

	if (r == 0)
		*ret_len = strlen(*ret);
	return r;
}

static void schedule_renewal(struct agent *a, const struct err *why)
{
	uint32_t draw;

	hash_random(&draw, sizeof(draw));
	a->renew_not_before =
		clock_boot_ns() +
		backoff_next(&a->renew_backoff, draw) * (NS_PER_SEC / 1000);
	log_warning("renew the certificate: %s", why->text);
}

static void on_renewal_answer(void *user, const char *answer, size_t len,
			      const struct err *why)
{
	struct agent *a = user;
	struct err e;

	worker_free(steal(a->renewal));
	if (!why && enroll_accept_renewal(a->id, answer, len, &e) < 0)
		why = &e;
	if (why) {
		schedule_renewal(a, why);
		return;
	}
	log_info("the certificate was renewed");
	backoff_reset(&a->renew_backoff);
	session_drop_peer(a);
	session_request_status(a, FOR_CONNECT);
}

static const struct worker_kind renewal = {
	.seconds = RENEWAL_SECONDS,
	.run = request_renewal,
	.done = on_renewal_answer,
};

static void renew_certificate(struct agent *a)
{
	int64_t due;
	struct err e;

	if (!a->id->is_enrolled || a->renewal ||
	    clock_boot_ns() < a->renew_not_before)
		return;
	if (enroll_get_renewal_time(a->id, &due, &e) == 0 && clock_wall() < due)
		return;
	if (worker_new(a->event, &renewal, a, a, &a->renewal, &e) < 0)
		schedule_renewal(a, &e);
}

/* Puts what was staged in use; nothing of the old one is left. */
static int commit_enrollment(struct agent *a, struct err *e)
{
	int r = identity_commit(a->id, e);

	if (r < 0)
		return r;
	worker_free(steal(a->renewal));
	session_drop_peer(a);
	return 0;
}

/* ---- policyd */

/* An enrollment that was cut off between policyd's half and ours. */
static int resolve_staged_enrollment(struct agent *a, struct err *e)
{
	const char *epoch =
		json_string_value(json_object_get(a->status, "epoch"));

	if (!a->id->has_next || a->is_finishing)
		return 0;
	if (epoch && strcmp(epoch, a->id->next.epoch) == 0)
		return commit_enrollment(a, e);
	identity_drop_staged(a->id);
	return 0;
}

static void on_policyd_status(void *user, const char *json)
{
	struct agent *a = user;
	unsigned int what_for = a->status_for;
	json_t *status = NULL;
	struct err e;

	if (json_parse(json, strlen(json), "status", &status, &e) < 0) {
		log_error("%s", e.text);
		session_restart(a);
		return;
	}
	a->status_for = 0;
	json_decref(a->status);
	a->status = status;
	if (resolve_staged_enrollment(a, &e) < 0) {
		log_error("enroll: %s", e.text);
		session_restart(a);
		return;
	}
	if (!session_may_connect(a)) {
		session_disconnect(a);
		return;
	}
	if (!a->protocol) {
		session_connect(a);
		return;
	}
	if (what_for & FOR_HELLO)
		session_send_hello(a);
	else if (what_for & FOR_REPORT)
		protocol_send_status(a->protocol, a->status);
}

static void start_enrollment(struct agent *a)
{
	const void *spki;
	size_t len;

	if (a->is_enrolling)
		return;
	a->is_enrolling = true;
	spki = key_spki(a->id->key, &len);
	policyd_client_enroll_start(a->policyd, spki, len);
}

static void on_policyd_present(void *user, bool is_present)
{
	struct agent *a = user;

	a->has_policyd = is_present;
	a->status_for = 0;
	a->is_enrolling = a->is_finishing = false;
	worker_free(steal(a->enrollment));
	if (!is_present) {
		log_info("cells-policyd is gone");
		chunk_download_clear(a->fetch);
		session_disconnect(a);
		return;
	}
	renew_certificate(a);
	session_request_status(a, FOR_CONNECT);
	start_enrollment(a);
}

static void handle_pending_wants(struct agent *a)
{
	if (a->protocol)
		policyd_client_get_wants(a->policyd);
}

static void handle_pending_receipts(struct agent *a)
{
	if (a->protocol)
		protocol_notify_pending(a->protocol, PROTOCOL_RECEIPTS);
}

static void handle_pending_audit(struct agent *a)
{
	if (a->protocol)
		protocol_notify_pending(a->protocol, PROTOCOL_AUDIT);
}

static void handle_pending_hello(struct agent *a)
{
	session_request_status(a, FOR_HELLO);
}

static const struct {
	const char *what;
	void (*take)(struct agent *a);
} pendings[] = {
	{ "wants", handle_pending_wants },
	{ "receipts", handle_pending_receipts },
	{ "audit", handle_pending_audit },
	{ "enroll", start_enrollment },
	{ "hello", handle_pending_hello },
};

static void on_policyd_pending(void *user, const char *what)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(pendings); i++)
		if (strcmp(pendings[i].what, what) == 0)
			pendings[i].take(user);
}

static void on_policyd_submitted(void *user, const char *outcome,
				 const char *reason, const char *text)
{
	struct agent *a = user;

	if (a->protocol)
		protocol_submitted(a->protocol, outcome, reason, text);
}

static void on_policyd_receipts(void *user, const struct protocol_receipt *r,
				size_t n)
{
	struct agent *a = user;

	if (a->protocol)
		protocol_send_receipts(a->protocol, r, n);
}

static void on_policyd_audit(void *user, const void *batch, size_t len)
{
	struct agent *a = user;

	if (a->protocol)
		protocol_send_audit(a->protocol, batch, len);
}

static void on_policyd_resumed(void *user)
{
	struct agent *a = user;

	if (a->protocol)
		protocol_resumed(a->protocol);
}

static void on_policyd_fetch_failed(void *user, enum protocol_stream s)
{
	struct agent *a = user;

	if (a->protocol)
		protocol_fetch_failed(a->protocol, s);
}

static void queue_wanted_chunk(struct agent *a,
			       const struct policyd_client_want *w)
{
	int r = chunk_download_add_wanted(a->fetch, w->digest,
					  strcmp(w->kind, "chunk-list") == 0);

	if (r < 0 && r != -ENOBUFS)
		log_warning("want %s %.80s: %s", w->kind, w->digest,
			    strerror(-r));
}

static void on_policyd_wants(void *user, const struct policyd_client_want *w,
			     size_t n)
{
	const char *documents[POLICYD_CLIENT_WANTS_MAX];
	struct agent *a = user;
	size_t used = 0;

	if (!a->protocol)
		return;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(w[i].kind, "document") == 0)
			documents[used++] = w[i].digest;
		else
			queue_wanted_chunk(a, &w[i]);
	}
	protocol_get_documents(a->protocol, documents, used);
}

static void on_policyd_failed(void *user, const struct err *e, bool lost)
{
	struct agent *a = user;

	log_error("cells-policyd: %s", e->text);
	if (lost)
		session_restart(a);
}

/* ---- chunks */

static void report_progress(struct agent *a, bool at_once)
{
	struct chunk_download_progress p;
	uint64_t now = clock_boot_ns();

	if (!a->protocol || (!at_once && now - a->progress < NS_PER_SEC))
		return;
	a->progress = now;
	chunk_download_get_progress(a->fetch, &p);
	protocol_send_progress(a->protocol, p.image, p.done, p.total);
}

static void on_chunk_received(void *user, const char *digest, int fd)
{
	struct agent *a = user;

	policyd_client_put_chunk(a->policyd, digest, fd);
	report_progress(a, false);
}

static void on_fetch_exhausted(void *user)
{
	struct agent *a = user;

	if (a->protocol)
		policyd_client_get_wants(a->policyd);
}

static void on_fetch_idle(void *user, bool complete)
{
	struct agent *a = user;

	report_progress(a, true);
	/* What cannot be had is tried again at the next tick. */
	if (complete && a->protocol)
		policyd_client_get_wants(a->policyd);
}

static void on_chunk_accepted(void *user, const char *digest,
			      const struct err *e)
{
	struct agent *a = user;

	if (e)
		log_warning("put %s: %s", digest, e->text);
	if (e && e->reason == REASON_STORAGE_FULL)
		chunk_download_clear(a->fetch);
	else
		chunk_download_acknowledge(a->fetch, digest, !e);
}

/* ---- enrollment */

static int request_enrollment(const void *what, char **ret, size_t *ret_len,
			      struct err *e)
{
	const struct agent *a = what;
	int r = enroll_send_request(a->id, &a->request, a->conf->server, ret,
				    e);

	if (r == 0)
		*ret_len = strlen(*ret);
	return r;
}

static void finish_enrollment(struct agent *a, const char *answer,
			      const struct err *why)
{
	enroll_request_fini(&a->request);
	a->is_finishing = true;
	if (why)
		log_error("enroll: %s", why->text);
	policyd_client_enroll_finish(a->policyd, why ? "" : answer,
				     why ? why->text : "");
}

static void on_enroll_answer(void *user, const char *answer, size_t len,
			     const struct err *why)
{
	struct agent *a = user;
	struct err e;

	worker_free(steal(a->enrollment));
	if (!why &&
	    enroll_accept_answer(a->id, &a->request, answer, len, &e) < 0)
		why = &e;
	finish_enrollment(a, answer, why);
}

static const struct worker_kind enrollment = {
	.seconds = ENROLMENT_SECONDS,
	.run = request_enrollment,
	.done = on_enroll_answer,
};

static void on_enroll_request(void *user, const char *text)
{
	struct agent *a = user;
	struct err e;
	int r;

	if (!text) {
		a->is_enrolling = false;
		return;
	}
	enroll_request_fini(&a->request);
	r = enroll_parse_request(text, strlen(text), &a->request, &e);
	if (r == 0) {
		log_info("enrolling at %s:%u", a->request.host,
			 a->request.port);
		r = worker_new(a->event, &enrollment, a, a, &a->enrollment, &e);
	}
	if (r < 0)
		finish_enrollment(a, NULL, &e);
}

static void on_enroll_finished(void *user, const struct err *failure)
{
	struct agent *a = user;
	struct err e;

	a->is_enrolling = a->is_finishing = false;
	if (!a->id->has_next)
		return; /* it was the failure that we reported */
	if (failure) {
		/* Its status says whether it has it all the same. */
		log_error("enroll: %s", failure->text);
		session_request_status(a, FOR_CONNECT);
		return;
	}
	if (commit_enrollment(a, &e) < 0) {
		log_error("enroll: %s", e.text);
		session_restart(a);
		return;
	}
	log_info("enrolled as %s, epoch %s", a->id->now.device,
		 a->id->now.epoch);
	backoff_reset(&a->backoff);
	session_request_status(a, FOR_CONNECT);
}

static const struct policyd_client_ops link_ops = {
	.present = on_policyd_present,
	.pending = on_policyd_pending,
	.status = on_policyd_status,
	.submitted = on_policyd_submitted,
	.receipts = on_policyd_receipts,
	.audit = on_policyd_audit,
	.wants = on_policyd_wants,
	.taken = on_chunk_accepted,
	.enroll = on_enroll_request,
	.enrolled = on_enroll_finished,
	.resumed = on_policyd_resumed,
	.unfetched = on_policyd_fetch_failed,
	.failed = on_policyd_failed,
};

/* ---- once a minute */

static int on_minute_tick(sd_event_source *s, uint64_t usec, void *user)
{
	struct agent *a = user;

	sd_event_source_set_time_relative(s, TICK_US);
	renew_certificate(a);
	if (!a->protocol)
		return 0;
	protocol_tick(a->protocol);
	if (clock_boot_ns() - a->hello > HELLO_SECONDS * NS_PER_SEC)
		session_request_status(a, FOR_HELLO);
	return 0;
}

/* ---- life */

static int open_event_loop(struct agent *a, struct err *e)
{
	sigset_t set;
	int r;

	/* A server that closes is an error of the write. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, errno, "block signals");
	r = sd_event_new(&a->event);
	if (r >= 0)
		r = sd_event_add_signal(a->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(a->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_time_relative(a->event, &a->reconnect,
					       CLOCK_BOOTTIME, 0, 0,
					       session_on_reconnect_timer, a);
	if (r >= 0)
		r = sd_event_source_set_enabled(a->reconnect, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(a->event, &a->tick,
					       CLOCK_BOOTTIME, TICK_US,
					       SLACK_US, on_minute_tick, a);
	if (r >= 0)
		r = sd_event_source_set_enabled(a->tick, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_set_watchdog(a->event, true);
	return r < 0 ? err_sys(e, -r, "event loop") : 0;
}

static int open_chunk_fetch(struct agent *a, struct err *e)
{
	static const struct chunk_download_ops ops = {
		.have = on_chunk_received,
		.more = on_fetch_exhausted,
		.idle = on_fetch_idle,
	};
	const struct chunk_download_limits limits = {
		.lanes = (unsigned int)a->conf->parallel,
		.speed = a->conf->speed_limit,
		.list_max = a->conf->memory_max < CHUNK_LIST_MAX
				    ? a->conf->memory_max
				    : CHUNK_LIST_MAX,
	};

	return chunk_download_new(a->event, &limits, &ops, a, &a->fetch, e);
}

int agent_new(const struct agent_config *conf, struct agent **ret,
	      struct err *e)
{
	AUTO(agent_freep) struct agent *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_oom(e, "agent");
	a->conf = conf;
	a->backoff = (struct backoff){ .first_ms = FIRST_WAIT_MS,
				       .max_ms = MAX_WAIT_MS };
	a->renew_backoff = (struct backoff){ .first_ms = RENEW_FIRST_MS,
					     .max_ms = RENEW_MAX_MS };
	a->inventory = inventory_new();
	if (!a->inventory)
		return err_oom(e, "agent");
	r = identity_open(conf->state_dir, &a->id, e);
	if (r == 0)
		r = open_event_loop(a, e);
	if (r == 0)
		r = transport_new(sd_event_get_fd(a->event), &a->transport, e);
	if (r == 0)
		r = open_chunk_fetch(a, e);
	if (r == 0)
		r = policyd_client_new(a->event, &link_ops, a, &a->policyd, e);
	if (r < 0)
		return r;
	*ret = steal(a);
	return 0;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	worker_free(a->enrollment);
	worker_free(a->renewal);
	worker_free(a->lookup);
	enroll_request_fini(&a->request);
	protocol_free(a->protocol);
	policyd_client_free(a->policyd);
	transport_peer_free(a->peer);
	chunk_download_free(a->fetch);
	http_multi_free(a->gets);
	transport_free(a->transport);
	sd_event_source_disable_unref(a->reconnect);
	sd_event_source_disable_unref(a->tick);
	sd_event_unref(a->event);
	identity_free(a->id);
	json_decref(a->inventory);
	json_decref(a->status);
	free(a);
}

/*
 * sd-event does what it has, which also arms its timers and writes the bus's
 * messages out; then libwebsockets sleeps for both, as it polls sd-event's
 * epoll descriptor among its own.
 */
int agent_run(struct agent *a, struct err *e)
{
	int r, code = 0;

	sd_notify(0, "READY=1");
	for (;;) {
		do {
			r = sd_event_run(a->event, 0);
		} while (r > 0);
		if (sd_event_get_state(a->event) == SD_EVENT_FINISHED)
			break;
		if (r < 0)
			return err_sys(e, -r, "event loop");
		if (transport_service(a->transport) < 0)
			return err_set(e, EIO, "event loop: libwebsockets");
	}
	sd_notify(0, "STOPPING=1");
	sd_event_get_exit_code(a->event, &code);
	return code == 0 ? 0 : err_set(e, EIO, "the system bus is gone");
}

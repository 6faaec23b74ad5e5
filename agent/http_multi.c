/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/http_multi.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/http_handle.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>

#define CONNECT_SECONDS 20
/* From the start, connection and all, to the head of the answer. */
#define ANSWER_SECONDS 40
/* So long for the next so many bytes, or for the rest: a server that sends a
 * byte now and then would hold a lane for days. */
#define STALL_SECONDS 60
#define STALL_BYTES (16 * 1024)
#define RETRY_AFTER_MAX 86400
#define USEC_PER_SEC UINT64_C(1000000)

/* What a lane has: a handle that is used again, and perhaps a GET. */
struct lane {
	struct http_multi *multi;
	CURL *curl;	/* NULL: not used yet */
	bool is_active; /* in the multi handle */
	bool is_paused; /* libcurl keeps a piece for it */
	bool has_answer, has_data, is_stopped;
	struct http_multi_ops ops;
	void *user;
	uint64_t offset, since; /* since: bytes since the clock was started */
	uint64_t until, left;	/* us: when the clock is out; left of it then */
	struct curl_slist *resolve; /* libcurl borrows it */
	sd_event_source *stall;
	char why[CURL_ERROR_SIZE];
};

struct http_multi {
	sd_event *event;
	struct http_target target; /* our own copies of its texts */
	char *host, *ca, *cert, *key;
	char address[64]; /* "": not known */
	CURLM *curl;
	sd_event_source *timer;
	bool is_paused;
	struct lane lane[HTTP_MULTI_LANES_MAX];
};

/* ---- the clock of a GET */

static uint64_t get_now_us(void)
{
	return clock_mono_ns() / 1000;
}

static void run_stall_timer(struct lane *l)
{
	l->until = get_now_us() + l->left;
	sd_event_source_set_time_relative(l->stall, l->left);
	sd_event_source_set_enabled(l->stall, SD_EVENT_ONESHOT);
}

/* While we are paused it is we who are slow. */
static void pause_stall_timer(struct lane *l)
{
	uint64_t now = get_now_us();

	l->left = l->until > now ? l->until - now : 0;
	sd_event_source_set_enabled(l->stall, SD_EVENT_OFF);
}

static void restart_stall_timer(struct lane *l, unsigned int seconds)
{
	l->since = 0;
	l->left = seconds * USEC_PER_SEC;
	if (l->multi->is_paused && l->has_answer)
		sd_event_source_set_enabled(l->stall, SD_EVENT_OFF);
	else
		run_stall_timer(l);
}

/* ---- the end of a GET */

static void read_end_status(struct lane *l, struct http_multi_end *end)
{
	curl_off_t after = 0;
	long status = 0;

	curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(l->curl, CURLINFO_RETRY_AFTER, &after);
	end->status = (int)status;
	if (after > 0 && after <= RETRY_AFTER_MAX)
		end->retry_after = (unsigned int)after;
	if (status != 0 && status != 200 && status != 206)
		snprintf(end->why, sizeof(end->why), "HTTP status %ld", status);
}

/* The lane is free before its user hears of it. */
static void finish_get(struct lane *l, CURLcode code, const char *why)
{
	struct http_multi_end end = { 0 };
	bool is_stopped = l->is_stopped;

	curl_multi_remove_handle(l->multi->curl, l->curl);
	sd_event_source_set_enabled(l->stall, SD_EVENT_OFF);
	l->is_active = l->is_paused = l->is_stopped = false;
	read_end_status(l, &end);
	if (is_stopped)
		snprintf(end.why, sizeof(end.why), "stopped");
	else if (why)
		snprintf(end.why, sizeof(end.why), "%s", why);
	else if (code != CURLE_OK && !end.why[0])
		http_handle_explain(l->curl, &l->multi->target, code, l->why,
				    end.why, sizeof(end.why));
	l->ops.done(l->user, &end);
}

static void finish_completed_gets(struct http_multi *m)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(m->curl, &left))) {
		CURLcode code = message->data.result;
		struct lane *l = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &l);
		finish_get(l, code, NULL);
	}
}

static int on_stall_timer(sd_event_source *s, uint64_t usec, void *user)
{
	struct lane *l = user;
	char why[64];

	if (l->has_answer)
		snprintf(why, sizeof(why), "less than %u bytes in %u s",
			 STALL_BYTES, STALL_SECONDS);
	else
		snprintf(why, sizeof(why), "no answer in %u s", ANSWER_SECONDS);
	finish_get(l, CURLE_OK, why);
	return 0;
}

/* ---- what comes in */

static size_t read_get_header(char *line, size_t size, size_t n, void *user)
{
	struct lane *l = user;

	if (!l->has_answer) {
		l->has_answer = true;
		restart_stall_timer(l, STALL_SECONDS);
	}
	return size * n;
}

static bool is_good_status(long status)
{
	return status == 200 || status == 206;
}

static size_t read_get_body(char *data, size_t size, size_t n, void *user)
{
	struct lane *l = user;
	size_t len = size * n;
	bool from_start;
	long status = 0;

	if (l->multi->is_paused) {
		l->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
	if (!is_good_status(status)) /* the body of an error */
		return len;
	from_start = !l->has_data && l->offset > 0 && status == 200;
	l->has_data = true;
	l->since += len;
	if (l->since >= STALL_BYTES)
		restart_stall_timer(l, STALL_SECONDS);
	if (l->ops.data(l->user, from_start, data, len) == 0)
		return len;
	l->is_stopped = true;
	return 0;
}

/* ---- the event loop */

static int on_socket_event(sd_event_source *s, int fd, uint32_t events,
			   void *user)
{
	struct http_multi *m = user;
	int what = 0, running;

	if (events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	curl_multi_socket_action(m->curl, fd, what, &running);
	finish_completed_gets(m);
	return 0;
}

/* libcurl wants to know of a socket; `source` is what we gave it for that. */
static int watch_socket(CURL *c, curl_socket_t fd, int what, void *user,
			void *source)
{
	struct http_multi *m = user;
	sd_event_source *s = source;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
			  (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(s);
		curl_multi_assign(m->curl, fd, NULL);
		return 0;
	}
	if (s)
		return sd_event_source_set_io_events(s, events) < 0 ? -1 : 0;
	if (sd_event_add_io(m->event, &s, fd, events, on_socket_event, m) < 0)
		return -1;
	curl_multi_assign(m->curl, fd, s);
	return 0;
}

static int on_multi_timer(sd_event_source *s, uint64_t usec, void *user)
{
	struct http_multi *m = user;
	int running;

	curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_completed_gets(m);
	return 0;
}

static int set_multi_timer(CURLM *c, long ms, void *user)
{
	struct http_multi *m = user;

	if (ms < 0)
		return sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
	sd_event_source_set_time_relative(m->timer, (uint64_t)ms * 1000);
	return sd_event_source_set_enabled(m->timer, SD_EVENT_ONESHOT);
}

/* ---- GETs */

static bool set_lane_callbacks(struct lane *l)
{
	CURL *c = l->curl;
	bool ok = true;

	ok &= curl_easy_setopt(c, CURLOPT_PRIVATE, l) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, read_get_header) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_HEADERDATA, l) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, read_get_body) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_WRITEDATA, l) == CURLE_OK;
	return ok;
}

static int open_lane(struct http_multi *m, struct lane *l)
{
	struct err e;
	int r;

	if (l->curl)
		return 0;
	l->multi = m;
	r = http_handle_new(&m->target, m->ca, l->why, &l->curl, &e);
	if (r == 0 && !set_lane_callbacks(l))
		r = -ENOMEM;
	if (r == 0)
		r = sd_event_add_time_relative(m->event, &l->stall,
					       CLOCK_MONOTONIC, UINT64_MAX / 2,
					       0, on_stall_timer, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->stall, SD_EVENT_OFF);
	if (r >= 0)
		return 0;
	sd_event_source_disable_unref(steal(l->stall));
	curl_easy_cleanup(steal(l->curl));
	return r;
}

/* Where the host is, so that libcurl asks no name server. */
static int set_resolve(struct lane *l)
{
	const struct http_multi *m = l->multi;
	bool is_ipv6 = strchr(m->address, ':') != NULL;
	auto_free char *entry = NULL;

	curl_slist_free_all(l->resolve);
	l->resolve = NULL;
	if (m->address[0]) {
		if (asprintf(&entry, "%s:%u:%s%s%s", m->host, m->target.port,
			     is_ipv6 ? "[" : "", m->address,
			     is_ipv6 ? "]" : "") < 0)
			return -ENOMEM;
		l->resolve = curl_slist_append(NULL, entry);
		if (!l->resolve)
			return -ENOMEM;
	}
	return curl_easy_setopt(l->curl, CURLOPT_RESOLVE, l->resolve) ==
			       CURLE_OK
		       ? 0
		       : -ENOMEM;
}

static int set_request(struct lane *l, const char *path)
{
	char range[32];
	struct err e;
	int r = http_handle_set_url(l->curl, &l->multi->target, path, &e);

	if (r == 0)
		r = set_resolve(l);
	if (r < 0)
		return r;
	snprintf(range, sizeof(range), "%" PRIu64 "-", l->offset);
	return curl_easy_setopt(l->curl, CURLOPT_RANGE,
				l->offset > 0 ? range : NULL) == CURLE_OK
		       ? 0
		       : -ENOMEM;
}

int http_multi_get(struct http_multi *m, unsigned int lane, const char *path,
		   uint64_t offset, const struct http_multi_ops *ops,
		   void *user)
{
	struct lane *l;
	int r;

	if (lane >= HTTP_MULTI_LANES_MAX || m->lane[lane].is_active)
		return -EBUSY;
	l = &m->lane[lane];
	r = open_lane(m, l);
	if (r < 0)
		return r;
	l->ops = *ops;
	l->user = user;
	l->offset = offset;
	l->has_answer = l->has_data = false;
	l->why[0] = '\0';
	r = set_request(l, path);
	if (r < 0)
		return r;
	if (curl_multi_add_handle(m->curl, l->curl) != CURLM_OK)
		return -ENOMEM;
	l->is_active = true;
	restart_stall_timer(l, ANSWER_SECONDS);
	return 0;
}

void http_multi_pause(struct http_multi *m)
{
	if (m->is_paused)
		return;
	m->is_paused = true;
	for (unsigned int i = 0; i < HTTP_MULTI_LANES_MAX; i++)
		if (m->lane[i].is_active && m->lane[i].has_answer)
			pause_stall_timer(&m->lane[i]);
}

/* Delivers what libcurl has kept, which may pause it or stop it again. */
static void resume_lane(struct lane *l)
{
	CURLcode code;

	l->is_paused = false;
	code = curl_easy_pause(l->curl, CURLPAUSE_CONT);
	if (code != CURLE_OK)
		finish_get(l, code, NULL);
}

void http_multi_resume(struct http_multi *m)
{
	if (!m->is_paused)
		return;
	m->is_paused = false;
	for (unsigned int i = 0; i < HTTP_MULTI_LANES_MAX; i++)
		if (m->lane[i].is_active && m->lane[i].has_answer)
			run_stall_timer(&m->lane[i]);
	for (unsigned int i = 0; i < HTTP_MULTI_LANES_MAX; i++)
		if (!m->is_paused && m->lane[i].is_paused)
			resume_lane(&m->lane[i]);
}

/* ---- life */

void http_multi_set_address(struct http_multi *m, const char *address)
{
	snprintf(m->address, sizeof(m->address), "%s", address);
}

const char *http_multi_get_address(const struct http_multi *m)
{
	return m->address[0] ? m->address : m->host;
}

static int copy_target(struct http_multi *m, const struct http_target *t,
		       struct err *e)
{
	m->host = strdup(t->host);
	m->ca = strdup(t->ca_pem);
	m->cert = strdup(t->cert_pem);
	m->key = strdup(t->key_pem);
	if (!m->host || !m->ca || !m->cert || !m->key)
		return err_oom(e, "downloads");
	m->target = (struct http_target){
		.host = m->host,
		.port = t->port,
		.ca_pem = m->ca,
		.cert_pem = m->cert,
		.key_pem = m->key,
		.timeout = CONNECT_SECONDS,
		.proxy = "", /* the WebSocket has none either */
	};
	return 0;
}

static bool set_multi_options(struct http_multi *m)
{
	CURLM *c = m->curl;
	bool ok = true;

	ok &= curl_multi_setopt(c, CURLMOPT_SOCKETFUNCTION, watch_socket) ==
	      CURLM_OK;
	ok &= curl_multi_setopt(c, CURLMOPT_SOCKETDATA, m) == CURLM_OK;
	ok &= curl_multi_setopt(c, CURLMOPT_TIMERFUNCTION, set_multi_timer) ==
	      CURLM_OK;
	ok &= curl_multi_setopt(c, CURLMOPT_TIMERDATA, m) == CURLM_OK;
	ok &= curl_multi_setopt(c, CURLMOPT_MAXCONNECTS,
				(long)HTTP_MULTI_LANES_MAX) == CURLM_OK;
	return ok;
}

int http_multi_new(sd_event *event, const struct http_target *target,
		   struct http_multi **ret, struct err *e)
{
	AUTO(http_multi_freep)
	struct http_multi *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_oom(e, "downloads");
	r = http_handle_check_target(target, e);
	if (r == 0)
		r = copy_target(m, target, e);
	if (r < 0)
		return r;
	m->event = sd_event_ref(event);
	r = sd_event_add_time_relative(event, &m->timer, CLOCK_MONOTONIC,
				       UINT64_MAX / 2, 1000, on_multi_timer, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
	if (r < 0)
		return err_sys(e, -r, "downloads");
	m->curl = curl_multi_init();
	if (!m->curl || !set_multi_options(m))
		return err_oom(e, "downloads");
	*ret = steal(m);
	return 0;
}

static void close_lane(struct lane *l)
{
	if (l->is_active)
		curl_multi_remove_handle(l->multi->curl, l->curl);
	curl_easy_cleanup(l->curl);
	curl_slist_free_all(l->resolve);
	sd_event_source_disable_unref(l->stall);
}

void http_multi_free(struct http_multi *m)
{
	if (!m)
		return;
	for (unsigned int i = 0; i < HTTP_MULTI_LANES_MAX; i++)
		close_lane(&m->lane[i]);
	curl_multi_cleanup(m->curl);
	sd_event_source_disable_unref(m->timer);
	sd_event_unref(m->event);
	if (m->key)
		explicit_bzero(m->key, strlen(m->key));
	free(m->host);
	free(m->ca);
	free(m->cert);
	free(m->key);
	free(m);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cells-sim: plays devices against a real cells-mgmtd, with the agent's own
 * protocol code. Each verb prints one line of JSON; fanout and hold print
 * another one first, when all are connected.
 */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/opt.h"
#include "tests/bench/simdevice.h"
#include "tests/bench/simstore.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#define NS_PER_SEC UINT64_C(1000000000)
#define TICK_NS (NS_PER_SEC / 10)
#define RETRY_NS (NS_PER_SEC / 2)
#define PROC_MAX 65536
#define SETTLE_SECONDS 3
#define IDLE_SECONDS 10

struct sim;

struct place {
	struct sim *sim;
	struct simdevice *device;
	bool is_connecting, is_connected, has_answered;
	uint64_t not_before;
};

struct sim {
	const char *uri, *state; /* options, down to pid */
	uint64_t devices, window, seconds, pid;

	struct simstore store;
	struct transport *wire;
	int timer;
	struct place *place;
	struct simdevice **busy;
	size_t n_busy, connecting, connected, next, failures, answered;
	bool counts_answers;
	uint64_t last_answer;
	char why[160]; /* of the last failure */
};

/* ---- the devices' events */

static void on_connected(void *user, struct simdevice *d)
{
	struct place *p = user;

	p->is_connecting = false;
	p->is_connected = true;
	p->sim->connecting--;
	p->sim->connected++;
}

static void on_closed(void *user, struct simdevice *d,
		      const struct transport_end *end)
{
	struct place *p = user;
	struct sim *s = p->sim;

	s->connecting -= p->is_connecting;
	s->connected -= p->is_connected;
	p->is_connecting = p->is_connected = false;
	p->not_before =
		clock_mono_ns() +
		(end->retry_after ? end->retry_after * NS_PER_SEC : RETRY_NS);
	s->failures++;
	snprintf(s->why, sizeof(s->why), "%s", end->why);
}

static void on_busy(void *user, struct simdevice *d)
{
	struct place *p = user;

	p->sim->busy[p->sim->n_busy++] = d;
}

static void on_acked(void *user, struct simdevice *d)
{
	struct place *p = user;

	if (!p->sim->counts_answers || p->has_answered)
		return;
	p->has_answered = true;
	p->sim->answered++;
	p->sim->last_answer = clock_mono_ns();
}

static const struct simdevice_ops device_ops = {
	.connected = on_connected,
	.closed = on_closed,
	.busy = on_busy,
	.acked = on_acked,
};

/* ---- the loop */

/* Keeps `window` handshakes under way until all are connected. */
static void connect_more(struct sim *s)
{
	uint64_t now = clock_mono_ns();

	for (size_t tried = 0; tried < s->devices; tried++) {
		struct place *p = &s->place[s->next];

		if (s->connecting >= s->window ||
		    s->connecting + s->connected >= s->devices)
			return;
		s->next = (s->next + 1) % s->devices;
		if (p->is_connecting || p->is_connected || now < p->not_before)
			continue;
		p->is_connecting = true;
		s->connecting++;
		simdevice_connect(p->device);
	}
}

static int turn(struct sim *s, struct err *e)
{
	uint64_t ticks;

	connect_more(s);
	if (transport_service(s->wire) < 0)
		return err_set(e, EIO, "event loop");
	if (read(s->timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
		return err_sys(e, errno, "timer");
	while (s->n_busy > 0)
		simdevice_work(s->busy[--s->n_busy]);
	return 0;
}

static int turn_until(struct sim *s, uint64_t end, struct err *e)
{
	int r = 0;

	while (r == 0 && clock_mono_ns() < end)
		r = turn(s, e);
	return r;
}

static int connect_all(struct sim *s, double *ret_seconds, struct err *e)
{
	uint64_t start = clock_mono_ns(),
		 limit = start + s->seconds * NS_PER_SEC;
	int r = 0;

	while (r == 0 && s->connected < s->devices) {
		r = turn(s, e);
		if (clock_mono_ns() > limit)
			return err_set(e, ETIMEDOUT,
				       "%zu of %" PRIu64 " connected in "
				       "%" PRIu64 " s; last failure: %s",
				       s->connected, s->devices, s->seconds,
				       s->why[0] ? s->why : "none");
	}
	*ret_seconds = (double)(clock_mono_ns() - start) / NS_PER_SEC;
	return r;
}

static void say(json_t *j)
{
	auto_free char *text = j ? json_text(j) : NULL;

	json_decref(j);
	if (text)
		printf("%s\n", text);
	fflush(stdout);
}

/* ---- the server's numbers */

static int read_proc(uint64_t pid, const char *name, char **ret, struct err *e)
{
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/%s", pid, name);
	return io_read_file(path, PROC_MAX, ret, &len, e);
}

static int resident(uint64_t pid, uint64_t *ret_bytes, struct err *e)
{
	auto_free char *text = NULL;
	const char *line;
	int r = read_proc(pid, "status", &text, e);

	if (r < 0)
		return r;
	line = strstr(text, "\nVmRSS:");
	if (!line)
		return err_set(e, EIO, "/proc/%" PRIu64 "/status has no VmRSS",
			       pid);
	*ret_bytes = strtoull(line + strlen("\nVmRSS:"), NULL, 10) * 1024;
	return 0;
}

/* Seconds of CPU, user and system: fields 14 and 15 of proc(5)'s stat. */
static int cpu_used(uint64_t pid, double *ret, struct err *e)
{
	auto_free char *text = NULL;
	unsigned long user = 0, system = 0;
	const char *p;
	int r = read_proc(pid, "stat", &text, e);

	if (r < 0)
		return r;
	p = strrchr(text, ')');
	if (!p || sscanf(p,
			 ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
			 "%lu %lu",
			 &user, &system) != 2)
		return err_set(e, EIO, "/proc/%" PRIu64 "/stat", pid);
	*ret = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

/* ---- verbs */

static void tell(size_t done, size_t n)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\renrolled %zu of %zu%s", done, n,
			done == n ? "\n" : "");
}

static int verb_enroll(struct sim *s, struct err *e)
{
	uint64_t start = clock_mono_ns();
	size_t before = s->store.n;
	int r, saved;

	if (!s->uri)
		return err_set(e, EINVAL, "enroll needs --uri");
	r = simstore_enroll(&s->store, s->uri, s->devices, tell, e);
	/* What was enrolled stays enrolled, also if the rest was not. */
	saved = simstore_save(&s->store, s->state,
			      r < 0 ? &(struct err){ 0 } : e);
	if (r == 0)
		r = saved;
	if (r < 0)
		return r;
	say(json_pack("{s:s, s:I, s:I, s:f}", "verb", "enroll", "devices",
		      (json_int_t)s->store.n, "new",
		      (json_int_t)(s->store.n - before), "seconds",
		      (double)(clock_mono_ns() - start) / NS_PER_SEC));
	return 0;
}

static int verb_connect(struct sim *s, struct err *e)
{
	double seconds;
	int r = connect_all(s, &seconds, e);

	if (r < 0)
		return r;
	say(json_pack("{s:s, s:I, s:f, s:f, s:I}", "verb", "connect", "devices",
		      (json_int_t)s->devices, "seconds", seconds, "per_second",
		      (double)s->devices / seconds, "failures",
		      (json_int_t)s->failures));
	return 0;
}

static int verb_idle(struct sim *s, struct err *e)
{
	uint64_t before, after;
	double seconds, cpu, cpu_end;
	int r;

	if (s->pid == 0)
		return err_set(e, EINVAL, "idle needs --pid of the server");
	r = resident(s->pid, &before, e);
	if (r == 0)
		r = connect_all(s, &seconds, e);
	if (r == 0)
		r = turn_until(s, clock_mono_ns() + SETTLE_SECONDS * NS_PER_SEC,
			       e);
	if (r == 0)
		r = cpu_used(s->pid, &cpu, e);
	if (r == 0)
		r = turn_until(s, clock_mono_ns() + IDLE_SECONDS * NS_PER_SEC,
			       e);
	if (r == 0)
		r = cpu_used(s->pid, &cpu_end, e);
	if (r == 0)
		r = resident(s->pid, &after, e);
	if (r < 0)
		return r;
	say(json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:I}", "verb",
		      "idle", "devices", (json_int_t)s->devices, "rss_before",
		      (json_int_t)before, "rss_after", (json_int_t)after,
		      "bytes_per_device",
		      ((json_int_t)after - (json_int_t)before) /
			      (json_int_t)s->devices,
		      "cpu_seconds", cpu_end - cpu, "seconds",
		      (double)IDLE_SECONDS, "connected",
		      (json_int_t)s->connected));
	return 0;
}

/* From the moment that all are connected and quiet: until each has had a
 * receipt acknowledged, whatever it was for. Monotonic times, for a reader that
 * submits what is fanned out. */
static int verb_fanout(struct sim *s, struct err *e)
{
	uint64_t start, limit;
	double seconds;
	int r = connect_all(s, &seconds, e);

	if (r == 0)
		r = turn_until(s, clock_mono_ns() + SETTLE_SECONDS * NS_PER_SEC,
			       e);
	if (r < 0)
		return r;
	start = clock_mono_ns();
	s->counts_answers = true;
	say(json_pack("{s:s, s:I, s:I}", "ready", "fanout", "devices",
		      (json_int_t)s->connected, "monotonic_ns",
		      (json_int_t)start));
	limit = start + s->seconds * NS_PER_SEC;
	while (r == 0 && s->answered < s->devices && clock_mono_ns() < limit)
		r = turn(s, e);
	if (r < 0)
		return r;
	say(json_pack(
		"{s:s, s:I, s:I, s:I, s:f}", "verb", "fanout", "devices",
		(json_int_t)s->devices, "answered", (json_int_t)s->answered,
		"last_ns", (json_int_t)s->last_answer, "seconds",
		s->answered ? (double)(s->last_answer - start) / NS_PER_SEC
			    : 0.0));
	return s->answered == s->devices
		       ? 0
		       : err_set(e, ETIMEDOUT, "%zu of %" PRIu64 " answered",
				 s->answered, s->devices);
}

static int verb_hold(struct sim *s, struct err *e)
{
	double seconds;
	int r = connect_all(s, &seconds, e);

	if (r < 0)
		return r;
	say(json_pack("{s:s, s:I}", "ready", "hold", "devices",
		      (json_int_t)s->connected));
	r = turn_until(s, clock_mono_ns() + s->seconds * NS_PER_SEC, e);
	if (r < 0)
		return r;
	say(json_pack("{s:s, s:I, s:I}", "verb", "hold", "connected",
		      (json_int_t)s->connected, "failures",
		      (json_int_t)s->failures));
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct sim *s, struct err *e);
	bool connects;
} verbs[] = {
	{ "enroll", verb_enroll, false }, { "connect", verb_connect, true },
	{ "idle", verb_idle, true },	  { "fanout", verb_fanout, true },
	{ "hold", verb_hold, true },
};

/* ---- set-up */

static int raise_limit(struct err *e)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return err_sys(e, errno, "read the limit of open files");
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		return err_sys(e, errno, "raise the limit of open files");
	return 0;
}

static int open_timer(struct sim *s, struct err *e)
{
	const struct itimerspec every = {
		.it_interval = { .tv_nsec = TICK_NS },
		.it_value = { .tv_nsec = TICK_NS },
	};

	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->timer < 0 || timerfd_settime(s->timer, 0, &every, NULL) < 0)
		return err_sys(e, errno, "timer");
	return 0;
}

static int open_devices(struct sim *s, struct err *e)
{
	int r;

	if (s->devices == 0 || s->devices > s->store.n)
		s->devices = s->store.n;
	s->place = calloc(s->devices, sizeof(*s->place));
	s->busy = calloc(s->devices, sizeof(struct simdevice *));
	if (!s->place || !s->busy || s->devices == 0)
		return err_set(e, ENOENT, "%s holds no device", s->state);
	r = raise_limit(e);
	if (r == 0)
		r = open_timer(s, e);
	if (r == 0)
		r = transport_new(s->timer, &s->wire, e);
	for (size_t i = 0; r == 0 && i < s->devices; i++) {
		s->place[i].sim = s;
		r = simdevice_new(s->wire, &s->store, &s->store.device[i],
				  &device_ops, &s->place[i],
				  &s->place[i].device, e);
	}
	return r;
}

static void close_all(struct sim *s)
{
	/* In one go, as a power cut would: nobody waits for farewells. */
	transport_free(s->wire);
	simstore_fini(&s->store);
	if (s->timer >= 0)
		close(s->timer);
	free(s->place);
	free(s->busy);
}

static int run(struct sim *s, const char *verb, struct err *e)
{
	int r = simstore_load(s->state, &s->store, e);

	if (r < 0 && r != -ENOENT)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, verb) != 0)
			continue;
		r = verbs[i].connects ? open_devices(s, e) : 0;
		return r < 0 ? r : verbs[i].run(s, e);
	}
	return err_set(e, EINVAL, "unknown verb '%s' (see --help)", verb);
}

int main(int argc, char **argv)
{
	struct sim s = { .timer = -1,
			 .window = 64,
			 .seconds = 120,
			 .state = "cells-sim.json" };
	const struct opt opts[] = {
		{ "uri", 'u', OPT_STRING, &s.uri, "URI",
		  "enrolment URI with enough uses" },
		{ "state", 's', OPT_STRING, &s.state, "FILE",
		  "keys and certificates of the devices" },
		{ "devices", 'n', OPT_NUMBER, &s.devices, "N",
		  "how many; all there are" },
		{ "window", 'w', OPT_NUMBER, &s.window, "N",
		  "handshakes at once (64)" },
		{ "seconds", 't', OPT_NUMBER, &s.seconds, "N",
		  "until connected, answered; how long to hold (120)" },
		{ "pid", 'p', OPT_NUMBER, &s.pid, "PID",
		  "the server's process, for idle" },
		{ 0 },
	};
	const struct opt_program program = {
		.name = "cells-sim",
		.args = "enroll|connect|idle|fanout|hold",
		.summary = "Plays devices against a cells-mgmtd.",
		.opts = opts,
	};
	struct err e;
	int first, r;

	log_open("cells-sim");
	first = opt_parse(&program, argc, argv, true, &e);
	if (first == -ECANCELED)
		return EXIT_SUCCESS;
	if (first >= 0 && argc - first != 1)
		first = err_set(&e, EINVAL, "one verb is needed: %s",
				program.args);
	if (first < 0) {
		log_error("%s", e.text);
		return EXIT_USAGE;
	}
	r = run(&s, argv[first], &e);
	if (r < 0)
		log_error("%s", e.text);
	close_all(&s);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/foreground_socket.h"

#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/lifecycle/idle.h"
#include "cellsd/storage/vp_secrets.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define LINE_SIZE 65
#define VERB "attention "
#define WORK_MAX 32 /* lines and connections a second */
#define WORK_USEC 1000000

struct socket_client {
	struct foreground_socket *of;
	int fd;
	size_t len;
	char line[LINE_SIZE];
	sd_event_source *on_input;
};

struct foreground_socket {
	struct foreground_socket_options options;
	char vp[VP_NAME_SIZE];
	int fd;
	sd_event_source *on_client;
	struct socket_client *client[CLIENTS_MAX];
	sd_event_source *on_second;
	unsigned int work; /* in this second */
	struct foreground_socket_bucket bucket;
	uint32_t limited; /* requests that are not in the audit yet */
};

static const char *const names[FOREGROUND_SOCKET_COUNT] = {
	[FOREGROUND_SOCKET_SWITCHED] = "switched",
	[FOREGROUND_SOCKET_NOTIFIED] = "notified",
	[FOREGROUND_SOCKET_FOREGROUND] = "foreground",
	[FOREGROUND_SOCKET_IGNORED] = "ignored",
	[FOREGROUND_SOCKET_LIMITED] = "limited",
	[FOREGROUND_SOCKET_UNKNOWN] = "unknown",
};

const char *foreground_socket_result_name(enum foreground_socket_result end)
{
	return names[end];
}

/* ---- the decision */

static bool is_word_in_list(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') &&
		    (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

enum foreground_socket_result
foreground_socket_decide_request(const struct vp_conf *c, const char *kind,
				 bool quiet)
{
	static const char *const kinds[] = { "call", "sms", "alarm" };
	bool is_known = false;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		is_known |= strcmp(kinds[i], kind) == 0;
	if (!is_known)
		return FOREGROUND_SOCKET_UNKNOWN;
	if (is_word_in_list(c->attention, kind))
		return quiet ? FOREGROUND_SOCKET_SWITCHED
			     : FOREGROUND_SOCKET_NOTIFIED;
	return is_word_in_list(c->notify, kind) ? FOREGROUND_SOCKET_NOTIFIED
						: FOREGROUND_SOCKET_IGNORED;
}

bool foreground_socket_bucket_consume(struct foreground_socket_bucket *b,
				      uint64_t now_ns)
{
	uint64_t back = (now_ns - b->since_ns) / FOREGROUND_SOCKET_EACH_NS;

	b->taken -= back < b->taken ? (unsigned int)back : b->taken;
	b->since_ns = b->taken == 0
			      ? now_ns
			      : b->since_ns + back * FOREGROUND_SOCKET_EACH_NS;
	if (b->taken == FOREGROUND_SOCKET_BURST)
		return false;
	b->taken++;
	return true;
}

/* ---- a request */

static void emit_attention_event(const struct host_callbacks *callbacks,
				 const struct vp *v, const char *kind,
				 const char *end, uint32_t count)
{
	const struct backend_event ev = { .boot_ns = clock_boot_ns(),
					  .vp = v->number,
					  .count = count };
	char cause[32];

	snprintf(cause, sizeof(cause), "%s %s", kind, end);
	callbacks->event(callbacks->arg, "attention", v->name,
			 CELLS_CLASS_COUNT, &ev, cause);
}

/* Floods are counted, and reported with the next request that is taken. */
static bool is_rate_limited(struct foreground_socket *a, const struct vp *v)
{
	if (!foreground_socket_bucket_consume(&a->bucket, clock_boot_ns())) {
		if (a->limited++ == 0)
			log_warning("VP %s asks for attention too often",
				    v->name);
		return true;
	}
	if (a->limited > 0)
		emit_attention_event(a->options.callbacks, v, "any",
				     names[FOREGROUND_SOCKET_LIMITED],
				     a->limited);
	a->limited = 0;
	return false;
}

static enum foreground_socket_result
handle_attention_request(struct foreground_socket *a, struct vp *v,
			 const char *kind)
{
	const uint64_t input_ns = idle_get_input_ns(a->options.idle);
	bool quiet = input_ns == 0 ||
		     clock_boot_ns() - input_ns >= FOREGROUND_SOCKET_QUIET_NS;
	enum foreground_socket_result end =
		foreground_socket_decide_request(&v->conf, kind, quiet);
	uint64_t ns;
	struct err e;

	if (end == FOREGROUND_SOCKET_UNKNOWN)
		return end;
	if (is_rate_limited(a, v))
		return FOREGROUND_SOCKET_LIMITED;
	if (vp_table_get_foreground(a->options.vps) == v)
		end = FOREGROUND_SOCKET_FOREGROUND;
	if (end == FOREGROUND_SOCKET_SWITCHED &&
	    a->options.switch_to(a->options.foreground, v, "attention", &ns,
				 &e) < 0) {
		log_warning("%s", e.text);
		end = FOREGROUND_SOCKET_NOTIFIED;
	}
	log_info("VP %s asks for attention, %s: %s", v->name, kind, names[end]);
	emit_attention_event(a->options.callbacks, v, kind, names[end], 1);
	return end;
}

/* ---- connections */

static void set_sources_enabled(struct foreground_socket *a, int state)
{
	sd_event_source_set_enabled(a->on_client, state);
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		if (a->client[i])
			sd_event_source_set_enabled(a->client[i]->on_input,
						    state);
}

static int on_second_elapsed(sd_event_source *s, uint64_t usec, void *arg)
{
	struct foreground_socket *a = arg;

	a->work = 0;
	set_sources_enabled(a, SD_EVENT_ON);
	return 0;
}

/* Who asks for too much is not heard for the rest of the second. */
static void throttle_client_work(struct foreground_socket *a)
{
	if (a->work++ == 0)
		timer_start(a->on_second, WORK_USEC);
	if (a->work >= WORK_MAX)
		set_sources_enabled(a, SD_EVENT_OFF);
}

static void socket_client_free(struct socket_client *c)
{
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		if (c->of->client[i] == c)
			c->of->client[i] = NULL;
	sd_event_source_disable_unref(c->on_input);
	auto_closep(&c->fd);
	free(c);
}

/* Who does not read is cut off; cellsd waits for nobody. */
static bool send_client_line(struct socket_client *c, const char *word)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%s\n", word);

	if (send(c->fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) == n)
		return true;
	socket_client_free(c);
	return false;
}

static const char *get_foreground_word(bool in_front)
{
	return in_front ? "foreground" : "background";
}

static bool handle_client_line(struct socket_client *c, const char *line)
{
	struct foreground_socket *a = c->of;
	struct vp *v = vp_table_find_vp(a->options.vps, a->vp);
	enum foreground_socket_result end = FOREGROUND_SOCKET_UNKNOWN;
	char answer[32];

	throttle_client_work(a);
	if (v && strncmp(line, VERB, strlen(VERB)) == 0)
		end = handle_attention_request(a, v, line + strlen(VERB));
	snprintf(answer, sizeof(answer), VERB "%s", names[end]);
	/* The switch may have cut off this very client. */
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		if (a->client[i] == c)
			return send_client_line(c, answer);
	return false;
}

static int on_client_input(sd_event_source *s, int fd, uint32_t events,
			   void *arg)
{
	struct socket_client *c = arg;
	ssize_t n = recv(fd, c->line + c->len, LINE_SIZE - 1 - c->len,
			 MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		socket_client_free(c);
		return 0;
	}
	c->len += (size_t)n;
	c->line[c->len] = '\0';
	while ((end = memchr(c->line, '\n', c->len))) {
		char line[LINE_SIZE];
		size_t used = (size_t)(end - c->line) + 1;

		*end = '\0';
		memcpy(line, c->line, used);
		c->len -= used;
		memmove(c->line, c->line + used, c->len);
		if (!handle_client_line(c, line))
			return 0;
	}
	if (c->len == LINE_SIZE - 1)
		socket_client_free(c);
	return 0;
}

static int add_client(struct foreground_socket *a, int fd)
{
	struct socket_client **free_one = NULL, *c;
	const struct vp *v = vp_table_find_vp(a->options.vps, a->vp);

	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		if (!a->client[i])
			free_one = &a->client[i];
	if (!free_one || !v)
		return -EBUSY;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	if (sd_event_add_io(a->options.loop, &c->on_input, fd, EPOLLIN,
			    on_client_input, c) < 0) {
		free(c);
		return -ENOMEM;
	}
	c->of = a;
	c->fd = fd;
	*free_one = c;
	send_client_line(c, get_foreground_word(vp_table_get_foreground(
							a->options.vps) == v));
	return 0;
}

static int on_client_connect(sd_event_source *s, int fd, uint32_t events,
			     void *arg)
{
	auto_close int client =
		accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	throttle_client_work(arg);
	if (client >= 0 && add_client(arg, client) == 0)
		(void)steal_fd(client);
	return 0;
}

void foreground_socket_send_foreground(const struct vp *v, bool in_front)
{
	struct foreground_socket *a = v->run ? v->run->foreground_socket : NULL;

	for (unsigned int i = 0; a && i < CLIENTS_MAX; i++)
		if (a->client[i])
			send_client_line(a->client[i],
					 get_foreground_word(in_front));
}

/* ---- the socket */

static void foreground_socket_closep(struct foreground_socket **a)
{
	foreground_socket_close(*a);
}

/*
 * Safe because the folder was opened without following links and is a tmpfs:
 * whatever the VP put there under that name, it is unlinked, not followed.
 */
static int create_listening_socket(int folder, uint32_t base, int *ret)
{
	auto_close int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (fd < 0)
		return -errno;
	if (unlinkat(folder, FOREGROUND_SOCKET_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	snprintf(at.sun_path, sizeof(at.sun_path),
		 "/proc/self/fd/%d/" FOREGROUND_SOCKET_NAME, folder);
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    fchownat(folder, FOREGROUND_SOCKET_NAME, base, base,
		     AT_SYMLINK_NOFOLLOW) < 0 ||
	    listen(fd, CLIENTS_MAX) < 0)
		return -errno;
	*ret = steal_fd(fd);
	return 0;
}

int foreground_socket_open(const struct foreground_socket_options *o,
			   struct vp *v, int run, struct err *e)
{
	AUTO(foreground_socket_closep)
	struct foreground_socket *a = calloc(1, sizeof(*a));
	auto_close int folder = -1;
	int r;

	if (!a)
		return err_oom(e, "offer /run/cells/" FOREGROUND_SOCKET_NAME);
	a->options = *o;
	a->fd = -1;
	memcpy(a->vp, v->name, sizeof(a->vp));
	a->bucket.since_ns = clock_boot_ns();
	r = vp_secrets_open_folder(run, vp_get_id_base(v), &folder, e);
	if (r < 0)
		return r;
	r = create_listening_socket(folder, vp_get_id_base(v), &a->fd);
	if (r == 0)
		r = sd_event_add_io(o->loop, &a->on_client, a->fd, EPOLLIN,
				    on_client_connect, a);
	if (r >= 0)
		r = timer_new(o->loop, CLOCK_MONOTONIC, on_second_elapsed, a,
			      &a->on_second);
	if (r < 0)
		return err_sys(e, -r,
			       "offer /run/cells/" FOREGROUND_SOCKET_NAME
			       " in VP %s",
			       v->name);
	foreground_socket_close(vp_get_run(v)->foreground_socket);
	vp_get_run(v)->foreground_socket = steal(a);
	return 0;
}

void foreground_socket_close(struct foreground_socket *a)
{
	if (!a)
		return;
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		if (a->client[i])
			socket_client_free(a->client[i]);
	sd_event_source_disable_unref(a->on_client);
	sd_event_source_disable_unref(a->on_second);
	auto_closep(&a->fd);
	free(a);
}

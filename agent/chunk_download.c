/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/chunk_download.h"

#include "agent/backoff.h"
#include "agent/http_multi.h"
#include "agent/protocol.h"
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#define FIRST_WAIT_MS 500
#define MAX_WAIT_MS 60000
#define TRIES_MAX 8 /* then it is left to the next round of wants */
#define LIMIT_TICK_MS 50
#define NS_PER_MS UINT64_C(1000000)

enum state { WAITING, LOADING, HANDED, GIVEN_UP };

struct chunk_download_item {
	LIST_ENTRY(chunk_download_item) next;
	struct chunk_download *fetch;
	char digest[ENCODING_DIGEST_SIZE];
	bool is_list;
	enum state state;
	int fd; /* what came so far; -1: nothing */
	uint64_t got;
	struct hash *hash;
	struct backoff backoff;
	uint64_t not_before; /* clock_mono_ns() */
};

struct chunk_download {
	struct chunk_download_limits limits;
	struct chunk_download_ops ops;
	void *user;
	struct http_multi *server; /* NULL: offline */
	LIST_HEAD(, chunk_download_item) items;
	unsigned int n, loading;
	bool list_is_loading, is_idle;
	bool some_taken; /* since `more` was asked for */
	uint64_t hold_until;
	struct chunk_download_item *lane[HTTP_MULTI_LANES_MAX];
	sd_event_source *retry, *limit;
	int64_t budget; /* bytes that may still be read in this tick */
	struct chunk_download_progress progress;
};

static void start_downloads(struct chunk_download *f);

/* ---- items */

static void discard_item_bytes(struct chunk_download_item *it)
{
	if (it->fd >= 0)
		close(it->fd);
	it->fd = -1;
	it->got = 0;
	hash_free(it->hash);
	it->hash = NULL;
}

static void remove_fetch_item(struct chunk_download_item *it)
{
	LIST_REMOVE(it, next);
	it->fetch->n--;
	discard_item_bytes(it);
	free(it);
}

static struct chunk_download_item *find_item_by_digest(struct chunk_download *f,
						       const char *digest)
{
	struct chunk_download_item *it;

	LIST_FOREACH (it, &f->items, next)
		if (strcmp(it->digest, digest) == 0)
			return it;
	return NULL;
}

static uint64_t get_item_size_limit(const struct chunk_download_item *it)
{
	return it->is_list ? it->fetch->limits.list_max : CHUNK_STORED_MAX;
}

static void arm_oneshot_timer(sd_event_source *timer, uint64_t ms)
{
	sd_event_source_set_time_relative(timer, ms * 1000);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static const char *get_server_address(const struct chunk_download *f)
{
	return f->server ? http_multi_get_address(f->server) : "?";
}

static void schedule_item_retry(struct chunk_download_item *it, const char *why,
				unsigned int floor)
{
	uint32_t draw;
	uint64_t ms;

	hash_random(&draw, sizeof(draw));
	if (floor > 0)
		backoff_at_least(&it->backoff, floor);
	ms = backoff_next(&it->backoff, draw);
	it->state = it->backoff.tries > TRIES_MAX ? GIVEN_UP : WAITING;
	it->not_before = clock_mono_ns() + ms * NS_PER_MS;
	if (it->state == GIVEN_UP)
		log_warning("get %s: server %s: %s; left for now", it->digest,
			    get_server_address(it->fetch), why);
	else
		log_debug("get %s: %s; again later", it->digest, why);
}

/* ---- what a GET brings */

/* The limit holds over a tick: what was read too much is waited for. */
static void spend_speed_budget(struct chunk_download *f, size_t len)
{
	if (f->limits.speed == 0)
		return;
	f->budget -= (int64_t)len;
	if (f->budget > 0)
		return;
	http_multi_pause(f->server);
	arm_oneshot_timer(f->limit, LIMIT_TICK_MS);
}

static int on_speed_limit_tick(sd_event_source *s, uint64_t usec, void *user)
{
	struct chunk_download *f = user;
	int64_t tick = (int64_t)(f->limits.speed * LIMIT_TICK_MS / 1000) + 1;

	f->budget += tick;
	if (f->budget > tick)
		f->budget = tick;
	if (f->budget <= 0)
		arm_oneshot_timer(f->limit, LIMIT_TICK_MS);
	else if (f->server)
		http_multi_resume(f->server);
	return 0;
}

static int prepare_item_buffer(struct chunk_download_item *it)
{
	if (it->fd < 0)
		it->fd = memfd_create("chunk", MFD_CLOEXEC);
	if (!it->hash)
		it->hash = hash_new();
	return it->fd < 0 || !it->hash ? -ENOMEM : 0;
}

static int on_download_data(void *user, bool from_start, const void *data,
			    size_t len)
{
	struct chunk_download_item *it = user;

	if (from_start)
		discard_item_bytes(it);
	if (prepare_item_buffer(it) < 0 ||
	    len > get_item_size_limit(it) - it->got)
		return -EFBIG;
	if (io_write_all(it->fd, data, len) < 0)
		return -ENOMEM;
	hash_add(it->hash, data, len);
	it->got += len;
	it->fetch->progress.done += len;
	spend_speed_budget(it->fetch, len);
	return 0;
}

static void add_chunk_list_total(struct chunk_download_item *it)
{
	struct chunk_download_progress *pr = &it->fetch->progress;
	auto_free struct chunk_list *list = NULL;
	auto_free char *text = NULL;
	struct err e;
	size_t len;

	if (lseek(it->fd, 0, SEEK_SET) < 0 ||
	    io_read_fd(it->fd, it->digest, it->got, &text, &len, &e) < 0 ||
	    chunk_list_parse(text, len, &list, &e) < 0)
		return; /* cells-policyd says what is wrong with it */
	for (size_t i = 0; i < list->n; i++)
		pr->total += list->chunk[i].stored;
	snprintf(pr->image, sizeof(pr->image), "%s", it->digest);
}

static void deliver_fetched_item(struct chunk_download_item *it)
{
	char digest[ENCODING_DIGEST_SIZE];
	uint8_t sum[HASH_SIZE];

	hash_end(it->hash, sum);
	hash_free(steal(it->hash));
	encoding_format_digest(sum, digest);
	if (strcmp(digest, it->digest) != 0) {
		log_warning("get %s: server %s sent other bytes", it->digest,
			    get_server_address(it->fetch));
		discard_item_bytes(it);
		schedule_item_retry(it, "other bytes", 0);
		return;
	}
	if (it->is_list)
		add_chunk_list_total(it);
	if (lseek(it->fd, 0, SEEK_SET) < 0) {
		discard_item_bytes(it);
		schedule_item_retry(it, strerror(errno), 0);
		return;
	}
	it->state = HANDED;
	it->fetch->ops.have(it->fetch->user, it->digest, it->fd);
}

static void on_download_done(void *user, const struct http_multi_end *end)
{
	struct chunk_download_item *it = user;
	struct chunk_download *f = it->fetch;

	for (unsigned int i = 0; i < HTTP_MULTI_LANES_MAX; i++)
		if (f->lane[i] == it)
			f->lane[i] = NULL;
	f->loading--;
	if (it->is_list)
		f->list_is_loading = false;
	if (end->why[0]) {
		/* 416: we have as much as there is, and it was not right. */
		if (end->status == 416 || strcmp(end->why, "stopped") == 0)
			discard_item_bytes(it);
		schedule_item_retry(it, end->why, end->retry_after);
	} else if (prepare_item_buffer(it) < 0) { /* an answer without a byte */
		discard_item_bytes(it);
		schedule_item_retry(it, "out of memory", 0);
	} else {
		deliver_fetched_item(it);
	}
	start_downloads(f);
}

static const struct http_multi_ops get_ops = { .data = on_download_data,
					       .done = on_download_done };

/* ---- who is next */

static int start_item_download(struct chunk_download *f,
			       struct chunk_download_item *it,
			       unsigned int lane)
{
	char path[sizeof(PROTOCOL_CHUNK_PATH) + ENCODING_DIGEST_SIZE];

	snprintf(path, sizeof(path), PROTOCOL_CHUNK_PATH "%s", it->digest);
	if (http_multi_get(f->server, lane, path, it->got, &get_ops, it) < 0)
		return -1;
	it->state = LOADING;
	f->lane[lane] = it;
	f->loading++;
	f->list_is_loading = it->is_list;
	return 0;
}

/* A list may be large, so it is loaded alone. */
static struct chunk_download_item *
choose_next_item(struct chunk_download *f, uint64_t now, uint64_t *ret_wake)
{
	struct chunk_download_item *it;

	if (f->list_is_loading)
		return NULL;
	LIST_FOREACH (it, &f->items, next) {
		if (it->state != WAITING || (it->is_list && f->loading > 0))
			continue;
		if (it->not_before <= now)
			return it;
		if (it->not_before < *ret_wake)
			*ret_wake = it->not_before;
	}
	return NULL;
}

static bool has_pending_items(const struct chunk_download *f,
			      bool *ret_complete)
{
	const struct chunk_download_item *it;

	*ret_complete = true;
	LIST_FOREACH (it, &f->items, next) {
		if (it->state != GIVEN_UP)
			return true;
		*ret_complete = false;
	}
	return false;
}

/* Is there anything that has not failed yet? */
static bool has_untried_items(const struct chunk_download *f)
{
	const struct chunk_download_item *it;

	LIST_FOREACH (it, &f->items, next)
		if (it->state == LOADING || it->state == HANDED ||
		    (it->state == WAITING && it->backoff.tries == 0))
			return true;
	return false;
}

static void start_downloads(struct chunk_download *f)
{
	uint64_t now = clock_mono_ns(), wake = UINT64_MAX;
	struct chunk_download_item *it;
	bool complete;

	if (!f->server)
		return;
	if (!has_pending_items(f, &complete)) {
		if (f->is_idle)
			return;
		f->is_idle = true;
		chunk_download_clear(f);
		f->ops.idle(f->user, complete);
		return;
	}
	if (now < f->hold_until) {
		arm_oneshot_timer(f->retry,
				  (f->hold_until - now) / NS_PER_MS + 1);
		return;
	}
	if (f->some_taken && !has_untried_items(f)) {
		f->some_taken = false;
		f->ops.more(f->user);
	}
	for (unsigned int i = 0; i < f->limits.lanes; i++) {
		if (f->lane[i])
			continue;
		it = choose_next_item(f, now, &wake);
		if (!it || start_item_download(f, it, i) < 0)
			break;
	}
	if (wake != UINT64_MAX)
		arm_oneshot_timer(f->retry, (wake - now) / NS_PER_MS + 1);
}

static int on_retry_timer(sd_event_source *s, uint64_t usec, void *user)
{
	start_downloads(user);
	return 0;
}

/* ---- from outside */

int chunk_download_add_wanted(struct chunk_download *f, const char *digest,
			      bool is_list)
{
	struct chunk_download_item *it = find_item_by_digest(f, digest);
	uint8_t raw[HASH_SIZE];

	if (it && it->state == GIVEN_UP) {
		it->state = WAITING;
		backoff_reset(&it->backoff);
	}
	if (it)
		return 0;
	if (f->n == CHUNK_DOWNLOAD_MAX)
		return -ENOBUFS;
	if (encoding_parse_digest(digest, raw) < 0)
		return -EINVAL;
	it = calloc(1, sizeof(*it));
	if (!it)
		return -ENOMEM;
	if (f->is_idle)
		memset(&f->progress, 0, sizeof(f->progress));
	f->is_idle = false;
	it->fetch = f;
	snprintf(it->digest, sizeof(it->digest), "%s", digest);
	it->is_list = is_list;
	it->fd = -1;
	it->backoff = (struct backoff){ .first_ms = FIRST_WAIT_MS,
					.max_ms = MAX_WAIT_MS };
	LIST_INSERT_HEAD(&f->items, it, next);
	f->n++;
	start_downloads(f);
	return 0;
}

void chunk_download_acknowledge(struct chunk_download *f, const char *digest,
				bool ok)
{
	struct chunk_download_item *it = find_item_by_digest(f, digest);

	if (!it || it->state != HANDED)
		return;
	if (ok) {
		f->some_taken = true;
		remove_fetch_item(it);
	} else {
		discard_item_bytes(it);
		schedule_item_retry(it, "not taken", 0);
	}
	start_downloads(f);
}

/* What is being loaded ends by itself. */
void chunk_download_clear(struct chunk_download *f)
{
	struct chunk_download_item *it = LIST_FIRST(&f->items), *next;

	for (; it; it = next) {
		next = LIST_NEXT(it, next);
		if (it->state != LOADING)
			remove_fetch_item(it);
	}
}

void chunk_download_hold_off(struct chunk_download *f, unsigned int seconds)
{
	f->hold_until = clock_mono_ns() + seconds * 1000 * NS_PER_MS;
}

void chunk_download_set_server(struct chunk_download *f,
			       struct http_multi *server)
{
	struct chunk_download_item *it;

	f->server = server;
	f->loading = 0;
	f->list_is_loading = false;
	memset(f->lane, 0, sizeof(f->lane));
	/* GETs of a server that is gone bring nothing any more. */
	LIST_FOREACH (it, &f->items, next) {
		if (it->state == LOADING || it->state == GIVEN_UP)
			it->state = WAITING;
		backoff_reset(&it->backoff);
		it->not_before = 0;
	}
	start_downloads(f);
}

void chunk_download_get_progress(const struct chunk_download *f,
				 struct chunk_download_progress *ret)
{
	*ret = f->progress;
}

int chunk_download_new(sd_event *event,
		       const struct chunk_download_limits *limits,
		       const struct chunk_download_ops *ops, void *user,
		       struct chunk_download **ret, struct err *e)
{
	AUTO(chunk_download_freep)
	struct chunk_download *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_oom(e, "downloads");
	LIST_INIT(&f->items);
	f->limits = *limits;
	f->ops = *ops;
	f->user = user;
	f->is_idle = true;
	f->budget = 1;
	r = sd_event_add_time_relative(event, &f->retry, CLOCK_MONOTONIC,
				       UINT64_MAX / 2, 0, on_retry_timer, f);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &f->limit,
					       CLOCK_MONOTONIC, UINT64_MAX / 2,
					       1000, on_speed_limit_tick, f);
	if (r < 0)
		return err_sys(e, -r, "downloads");
	sd_event_source_set_enabled(f->retry, SD_EVENT_OFF);
	sd_event_source_set_enabled(f->limit, SD_EVENT_OFF);
	*ret = steal(f);
	return 0;
}

void chunk_download_free(struct chunk_download *f)
{
	if (!f)
		return;
	while (!LIST_EMPTY(&f->items))
		remove_fetch_item(LIST_FIRST(&f->items));
	sd_event_source_disable_unref(f->retry);
	sd_event_source_disable_unref(f->limit);
	free(f);
}

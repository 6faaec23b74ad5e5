/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/connections.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/device_channel.h"
#include "mgmt-server/server.h"

#include <errno.h>
#include <string.h>

#define PLACES 16384
#define WORK_AT_ONCE 4 /* signatures in a turn: other work goes on */
#define CHECK_SECONDS 60

struct presence {
	struct server *server;
	struct devchan *place[PLACES];
	struct devchan *stale, **stale_end;
	int64_t checked;
};

void presence_free(struct presence *p)
{
	free(p);
}

/* FNV-1a; ids are digests, nobody gains by choosing one. */
static unsigned int place_of(const char *device)
{
	uint32_t h = 2166136261u;

	for (; *device; device++)
		h = (h ^ (unsigned char)*device) * 16777619u;
	return h % PLACES;
}

struct devchan *presence_find(const struct presence *p, const char *device)
{
	struct devchan *c = p->place[place_of(device)];

	while (c && strcmp(c->device, device) != 0)
		c = c->next;
	return c;
}

static void sql_connected(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
	const struct presence *p = sqlite3_user_data(ctx);
	const char *id = (const char *)sqlite3_value_text(arg[0]);

	sqlite3_result_int(ctx, id && presence_find(p, id));
}

static int add_function(struct server *s, struct presence *p, struct err *e)
{
	return sqlite3_create_function(db_handle(s->db), "connected", 1,
				       SQLITE_UTF8, p, sql_connected, NULL,
				       NULL) == SQLITE_OK
		       ? 0
		       : err_set(e, EIO, "add a function to the database");
}

int presence_new(struct server *s, struct presence **ret, struct err *e)
{
	struct presence *p = calloc(1, sizeof(*p));

	if (!p)
		return err_oom(e, "start");
	p->server = s;
	p->stale_end = &p->stale;
	*ret = p;
	/* For ?filter=connected eq true. */
	return add_function(s, p, e);
}

void presence_add(struct presence *p, struct devchan *c)
{
	struct devchan **at = &p->place[place_of(c->device)];
	struct devchan *before = presence_find(p, c->device);

	if (before) {
		presence_remove(p, before);
		devchan_replace(before);
	}
	c->next = *at;
	*at = c;
	c->present = true;
	p->server->gauge.channels++;
}

static void unlink_stale(struct presence *p, struct devchan *c)
{
	struct devchan **at = &p->stale;

	if (!c->stale)
		return;
	while (*at != c)
		at = &(*at)->next_stale;
	*at = c->next_stale;
	if (p->stale_end == &c->next_stale)
		p->stale_end = at;
	c->next_stale = NULL;
	c->stale = false;
}

void presence_remove(struct presence *p, struct devchan *c)
{
	struct devchan **at = &p->place[place_of(c->device)];

	if (!c->present)
		return;
	unlink_stale(p, c);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->present = false;
	p->server->gauge.channels--;
}

void presence_drop(struct presence *p, const char *device)
{
	struct devchan *c = presence_find(p, device);

	if (!c)
		return;
	presence_remove(p, c);
	devchan_close(c);
}

static void link_stale(struct presence *p, struct devchan *c)
{
	c->stale = true;
	c->next_stale = NULL;
	*p->stale_end = c;
	p->stale_end = &c->next_stale;
}

static void ask_for_work(struct presence *p)
{
	if (p->server->edge.work)
		p->server->edge.work(p->server->edge.ctx);
}

static void mark(struct presence *p, struct devchan *c)
{
	if (c->stale || !c->hello)
		return;
	link_stale(p, c);
	ask_for_work(p);
}

void presence_stale(struct presence *p, const char *device)
{
	if (device) {
		struct devchan *c = presence_find(p, device);

		if (c)
			mark(p, c);
		return;
	}
	for (unsigned int i = 0; i < PLACES; i++)
		for (struct devchan *c = p->place[i]; c; c = c->next)
			mark(p, c);
}

void presence_cut(struct presence *p, uint64_t turn)
{
	for (unsigned int i = 0; i < PLACES; i++)
		for (struct devchan *c = p->place[i]; c; c = c->next)
			if (devchan_has(c, turn))
				devchan_close(c);
}

void presence_unsend(struct presence *p, uint64_t number)
{
	for (unsigned int i = 0; i < PLACES; i++)
		for (struct devchan *c = p->place[i]; c; c = c->next)
			devchan_unsend(c, number);
}

void presence_tick(struct presence *p)
{
	int64_t now = clock_wall();

	if (p->stale)
		ask_for_work(p);
	if (now >= p->checked && now - p->checked < CHECK_SECONDS)
		return;
	p->checked = now;
	for (unsigned int i = 0; i < PLACES; i++)
		for (struct devchan *c = p->place[i]; c; c = c->next)
			if (c->renew_at <= now)
				mark(p, c);
}

bool presence_work(struct presence *p, presence_refresh_fn *refresh)
{
	for (int n = 0; n < WORK_AT_ONCE && p->stale; n++) {
		struct devchan *c = p->stale;
		struct err e;
		int r;

		unlink_stale(p, c);
		r = refresh(c, &e);
		if (r == -EBUSY) { /* presence_tick() asks for work again */
			link_stale(p, c);
			return false;
		}
		if (r < 0) {
			log_error("snapshot for %s: %s", c->device, e.text);
			/* It is sent the newest when it comes again. */
			devchan_close(c);
		}
	}
	return p->stale != NULL;
}

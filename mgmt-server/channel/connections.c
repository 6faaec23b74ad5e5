/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/channel/connections.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/fnv.h"
#include "lib/log.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/core/callbacks.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/turn.h"

#include <errno.h>
#include <string.h>

#define PLACES 16384
#define WORK_AT_ONCE 4 /* signatures in a turn: other work goes on */
#define CHECK_SECONDS 60

struct connections {
	struct turn *turn;
	struct device_channel *place[PLACES];
	struct device_channel *stale, **stale_end;
	int64_t checked;
};

void connections_free(struct connections *p)
{
	free(p);
}

/* Ids are digests, nobody gains by choosing one. */
static unsigned int hash_device_id(const char *device)
{
	uint64_t h = fnv_add(FNV_START, device, strlen(device));

	return (unsigned int)(h >> 32) % PLACES;
}

struct device_channel *connections_find(const struct connections *p,
					const char *device)
{
	struct device_channel *c = p->place[hash_device_id(device)];

	while (c && strcmp(c->device, device) != 0)
		c = c->next;
	return c;
}

static bool is_connected(void *ctx, const char *id)
{
	return id && connections_find(ctx, id);
}

int connections_new(struct turn *t, struct connections **ret, struct err *e)
{
	struct connections *p = calloc(1, sizeof(*p));

	if (!p)
		return err_oom(e, "start");
	p->turn = t;
	p->stale_end = &p->stale;
	*ret = p;
	/* For ?filter=connected eq true. */
	return db_add_predicate(t->db, "connected", is_connected, p, e);
}

void connections_add(struct connections *p, struct device_channel *c)
{
	struct device_channel **at = &p->place[hash_device_id(c->device)];
	struct device_channel *before = connections_find(p, c->device);

	if (before) {
		connections_remove(p, before);
		device_channel_replace(before);
	}
	c->next = *at;
	*at = c;
	c->present = true;
	p->turn->metrics->channels++;
}

static void remove_stale_channel(struct connections *p,
				 struct device_channel *c)
{
	struct device_channel **at = &p->stale;

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

void connections_remove(struct connections *p, struct device_channel *c)
{
	struct device_channel **at = &p->place[hash_device_id(c->device)];

	if (!c->present)
		return;
	remove_stale_channel(p, c);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->present = false;
	p->turn->metrics->channels--;
}

void connections_close_device(struct connections *p, const char *device)
{
	struct device_channel *c = connections_find(p, device);

	if (!c)
		return;
	connections_remove(p, c);
	device_channel_close(c);
}

static void add_stale_channel(struct connections *p, struct device_channel *c)
{
	c->stale = true;
	c->next_stale = NULL;
	*p->stale_end = c;
	p->stale_end = &c->next_stale;
}

static void request_refresh_work(struct connections *p)
{
	if (p->turn->edge->work)
		p->turn->edge->work(p->turn->edge->ctx);
}

static void mark_channel_stale(struct connections *p, struct device_channel *c)
{
	if (c->stale || !c->hello)
		return;
	add_stale_channel(p, c);
	request_refresh_work(p);
}

void connections_mark_stale(struct connections *p, const char *device)
{
	if (device) {
		struct device_channel *c = connections_find(p, device);

		if (c)
			mark_channel_stale(p, c);
		return;
	}
	for (unsigned int i = 0; i < PLACES; i++)
		for (struct device_channel *c = p->place[i]; c; c = c->next)
			mark_channel_stale(p, c);
}

void connections_abort_turn(struct connections *p, uint64_t turn)
{
	for (unsigned int i = 0; i < PLACES; i++)
		for (struct device_channel *c = p->place[i]; c; c = c->next)
			if (device_channel_has_message(c, turn))
				device_channel_close(c);
}

void connections_drop_queued(struct connections *p, uint64_t number)
{
	for (unsigned int i = 0; i < PLACES; i++)
		for (struct device_channel *c = p->place[i]; c; c = c->next)
			device_channel_drop_queued(c, number);
}

void connections_mark_due_snapshots(struct connections *p)
{
	int64_t now = clock_wall();

	if (p->stale)
		request_refresh_work(p);
	if (now >= p->checked && now - p->checked < CHECK_SECONDS)
		return;
	p->checked = now;
	for (unsigned int i = 0; i < PLACES; i++)
		for (struct device_channel *c = p->place[i]; c; c = c->next)
			if (c->renew_at <= now)
				mark_channel_stale(p, c);
}

bool connections_refresh_stale(struct connections *p,
			       connections_refresh_fn *refresh)
{
	for (int n = 0; n < WORK_AT_ONCE && p->stale; n++) {
		struct device_channel *c = p->stale;
		struct err e;
		int r;

		remove_stale_channel(p, c);
		r = refresh(c, &e);
		if (r == -EBUSY) {
			/* connections_mark_due_snapshots() asks for work again.
			 */
			add_stale_channel(p, c);
			return false;
		}
		if (r < 0) {
			log_error("snapshot for %s: %s", c->device, e.text);
			/* It is sent the newest when it comes again. */
			device_channel_close(c);
		}
	}
	return p->stale != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the audit events until it is ended. */
#include "devnsctl/devns_name.h"
#include "devnsctl/devnsctl.h"
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

struct event_follower {
	struct devnsctl *c;
	struct err *e;
	int r;
};

/* A name of a VP that came since. */
static void add_new_devns_name(void *arg, const struct devns_link_ns *ns)
{
	struct devnsctl *c = arg;
	char key[16];

	snprintf(key, sizeof(key), "%" PRIu32, ns->id);
	json_object_set_new(c->names, key, json_string(ns->name));
}

static void refresh_devns_names(struct devnsctl *c, uint32_t ns)
{
	char key[16];
	struct err ignored;

	snprintf(key, sizeof(key), "%" PRIu32, ns);
	if (ns && !json_object_get(c->names, key))
		devns_link_each_ns(c->link, add_new_devns_name, c, &ignored);
}

static json_t *build_event_json(const struct devnsctl *c,
				const struct devns_link_event *ev)
{
	json_t *j = json_pack(
		"{ss sI sI ss sI sI}", "event",
		devns_types_event_name(ev->event), "seq", (json_int_t)ev->seq,
		"boot_ns", (json_int_t)ev->boot_ns, "devns",
		devns_name_get(c, ev->ns), "count", (json_int_t)ev->count,
		"generation", (json_int_t)ev->generation);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "pid", ev->pid },	      { "handles", ev->handles },
		{ "mappings", ev->mappings }, { "killed", ev->killed },
		{ "took_ns", ev->took_ns },
	};

	if (ev->cls < CELLS_CLASS_COUNT)
		json_object_set_new(j, "class",
				    json_string(class_name(ev->cls)));
	if (*ev->node)
		json_object_set_new(j, "node", json_string(ev->node));
	if (*ev->comm)
		json_object_set_new(j, "comm", json_string(ev->comm));
	if (ev->pid)
		json_object_set_new(j, "uid", json_integer(ev->uid));
	if (ev->event == DEVNS_EVENT_SWITCH)
		json_object_set_new(
			j, "from",
			json_string(devns_name_get(c, ev->previous)));
	if (ev->event == DEVNS_EVENT_MODE) {
		json_object_set_new(j, "use", json_integer(ev->use));
		json_object_set_new(j, "block", json_boolean(ev->block));
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].value)
			json_object_set_new(
				j, numbers[i].name,
				json_integer((json_int_t)numbers[i].value));
	return j;
}

/* "12.345678 deny camera video0 of work: pid 17 (arecord)" */
static void print_event_line(const struct devnsctl *c,
			     const struct devns_link_event *ev)
{
	printf("%" PRIu64 ".%06" PRIu64 " %s", ev->boot_ns / 1000000000,
	       ev->boot_ns / 1000 % 1000000, devns_types_event_name(ev->event));
	if (ev->cls < CELLS_CLASS_COUNT)
		printf(" %s", class_name(ev->cls));
	if (*ev->node)
		printf(" %s", ev->node);
	if (ev->event == DEVNS_EVENT_SWITCH)
		printf(" from %s to", devns_name_get(c, ev->previous));
	if (ev->event != DEVNS_EVENT_LOST)
		printf(" %s", devns_name_get(c, ev->ns));
	if (ev->event == DEVNS_EVENT_MODE)
		printf(" use %u%s", ev->use, ev->block ? ", block" : "");
	if (ev->event == DEVNS_EVENT_REVOKE)
		printf(" handles %u, mappings %u, killed %u", ev->handles,
		       ev->mappings, ev->killed);
	if (ev->pid)
		printf(" pid %u (%s)", ev->pid, ev->comm);
	if (ev->count != 1)
		printf(" %u times", ev->count);
	putchar('\n');
}

static void on_followed_event(void *arg, const struct devns_link_event *ev)
{
	struct event_follower *f = arg;

	refresh_devns_names(f->c, ev->ns);
	if (!devns_name_is_requested(f->c, ev->ns) &&
	    ev->event != DEVNS_EVENT_LOST)
		return;
	if (f->c->json) {
		auto_json json_t *j = build_event_json(f->c, ev);

		f->r = table_print_json(j, f->e);
	} else {
		print_event_line(f->c, ev);
	}
}

int devnsctl_follow_events(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct devnsctl *c = context;
	struct event_follower f = { c, e, 0 };
	int r = devns_name_select(c, argv[0], e);

	if (r == 0)
		r = devns_link_listen(c->link, e);
	while (r == 0 && !ferror(stdout)) {
		struct pollfd p = { .fd = devns_link_fd(c->link),
				    .events = POLLIN };

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "wait for events");
		r = devns_link_drain_events(c->link, on_followed_event, &f, e);
		if (r == 0)
			r = f.r;
		fflush(stdout);
	}
	return r;
}

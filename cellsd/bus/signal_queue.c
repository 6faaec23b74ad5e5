/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus/signal_queue.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <cells/class.h>

#include <stdbool.h>
#include <string.h>

struct signal_queue {
	sd_bus *bus;
	sd_bus_slot *on_change, *on_answer;
	bool is_there;
	sd_bus_message *held[SIGNAL_QUEUE_MAX];
	unsigned int n;
	uint32_t lost;
};

static void send_bus_signal(struct signal_queue *a, sd_bus_message *m)
{
	int r = sd_bus_send(a->bus, m, NULL);

	if (r < 0)
		log_warning("signal %s: %s", sd_bus_message_get_member(m),
			    strerror(-r));
}

static void emit_lost_event(struct signal_queue *a)
{
	int r = sd_bus_emit_signal(
		a->bus, BUS_DEVICE_PATH, BUS_DEVICE_NAME, "Event", "stsuuusus",
		"lost", clock_boot_ns(), "", (uint32_t)CELLS_CLASS_COUNT, 0, 0,
		"", a->lost, "nobody listened");

	if (r < 0)
		log_warning("signal Event: %s", strerror(-r));
	else
		a->lost = 0;
}

static void handle_owner_change(struct signal_queue *a, const char *owner)
{
	a->is_there = *owner;
	if (!a->is_there)
		return;
	for (unsigned int i = 0; i < a->n; i++) {
		send_bus_signal(a, a->held[i]);
		sd_bus_message_unref(a->held[i]);
	}
	a->n = 0;
	if (a->lost > 0)
		emit_lost_event(a);
}

static int on_name_owner_changed(sd_bus_message *m, void *arg,
				 sd_bus_error *unused)
{
	const char *name, *before, *owner;

	if (sd_bus_message_read(m, "sss", &name, &before, &owner) >= 0)
		handle_owner_change(arg, owner);
	return 0;
}

/* An error is an answer too: nobody has the name. */
static int on_name_owner_reply(sd_bus_message *m, void *arg,
			       sd_bus_error *unused)
{
	const char *owner;

	if (!sd_bus_message_is_method_error(m, NULL) &&
	    sd_bus_message_read(m, "s", &owner) >= 0)
		handle_owner_change(arg, owner);
	return 0;
}

int signal_queue_new(sd_bus *bus, struct signal_queue **ret, struct err *e)
{
	struct signal_queue *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_oom(e, "look for cells-policyd");
	a->bus = bus;
	r = sd_bus_add_match_async(bus, &a->on_change,
				   "type='signal',"
				   "sender='org.freedesktop.DBus',"
				   "interface='org.freedesktop.DBus',"
				   "member='NameOwnerChanged',"
				   "arg0='" BUS_POLICY_NAME "'",
				   on_name_owner_changed, NULL, a);
	if (r >= 0)
		r = sd_bus_call_method_async(
			bus, &a->on_answer, "org.freedesktop.DBus",
			"/org/freedesktop/DBus", "org.freedesktop.DBus",
			"GetNameOwner", on_name_owner_reply, a, "s",
			BUS_POLICY_NAME);
	if (r < 0) {
		signal_queue_free(a);
		return err_sys(e, -r, "look for cells-policyd");
	}
	*ret = a;
	return 0;
}

void signal_queue_free(struct signal_queue *a)
{
	if (!a)
		return;
	sd_bus_slot_unref(a->on_change);
	sd_bus_slot_unref(a->on_answer);
	for (unsigned int i = 0; i < a->n; i++)
		sd_bus_message_unref(a->held[i]);
	free(a);
}

int signal_queue_send(struct signal_queue *a, sd_bus_message *m)
{
	if (a->is_there)
		return sd_bus_send(a->bus, m, NULL);
	if (a->n < SIGNAL_QUEUE_MAX)
		a->held[a->n++] = sd_bus_message_ref(m);
	else
		a->lost++;
	return 0;
}

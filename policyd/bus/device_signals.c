/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/bus/device_signals.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/bus_json.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/bus/connection_internal.h"
#include "policyd/bus/device_messages_internal.h"

#include <stdlib.h>
#include <string.h>

struct device_signals {
	const struct device_signals_handlers *handlers; /* borrowed */
	void *arg;
};

/* Returns r, for a handler that has nothing to hand on then. */
static int log_unreadable(int r, const char *signal)
{
	if (r < 0)
		log_error("read cellsd's %s: %s", signal, strerror(-r));
	return r;
}

static int on_switched(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const struct device_signals *s = arg;
	struct device_switch v;
	int r = sd_bus_message_read(m, "sstst", &v.from, &v.to, &v.generation,
				    &v.cause, &v.ns);

	if (log_unreadable(r, "Switched") >= 0)
		s->handlers->switched(s->arg, &v);
	return 0;
}

static int on_changed(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const struct device_signals *s = arg;
	auto_json json_t *names = NULL;
	struct device_vp_change v;
	int r = sd_bus_message_read(m, "sss", &v.vp, &v.state, &v.cause);

	if (r >= 0)
		r = bus_json_read_strings(m, &names);
	if (log_unreadable(r, "Changed") < 0)
		return 0;
	v.not_enforced = names;
	s->handlers->changed(s->arg, &v);
	return 0;
}

static int on_event(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const struct device_signals *s = arg;
	struct device_event v;
	int r = sd_bus_message_read(m, "stsuuusus", &v.word, &v.boot_ns, &v.vp,
				    &v.cls, &v.pid, &v.uid, &v.comm, &v.count,
				    &v.cause);

	if (log_unreadable(r, "Event") >= 0)
		s->handlers->event(s->arg, &v);
	return 0;
}

static int on_revoked(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	auto_free struct device_revoked *rows = NULL;
	const struct device_signals *s = arg;
	struct device_revocation v = { 0 };
	int r = device_messages_read_revoked(m, &rows, &v.n);

	if (r >= 0)
		r = sd_bus_message_read(m, "ts", &v.ns, &v.cause);
	if (log_unreadable(r, "Revoked") < 0)
		return 0;
	v.rows = rows;
	s->handlers->revoked(s->arg, &v);
	return 0;
}

static int on_idle(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const struct device_signals *s = arg;
	const char *vp;
	int r = sd_bus_message_read(m, "s", &vp);

	if (log_unreadable(r, "Idle") >= 0)
		s->handlers->idle(s->arg, vp);
	return 0;
}

static int on_start_failed(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const struct device_signals *s = arg;
	struct device_start_failure v;
	int r = sd_bus_message_read(m, "ssss", &v.vp, &v.cause, &v.code,
				    &v.text);

	if (log_unreadable(r, "StartFailed") >= 0)
		s->handlers->start_failed(s->arg, &v);
	return 0;
}

int device_signals_new(struct connection *connection,
		       const struct device_signals_handlers *h, void *arg,
		       struct device_signals **ret, struct err *e)
{
	static const struct {
		const char *member;
		sd_bus_message_handler_t handler;
	} signals[] = {
		{ "Switched", on_switched }, { "Changed", on_changed },
		{ "Event", on_event },	     { "Revoked", on_revoked },
		{ "Idle", on_idle },	     { "StartFailed", on_start_failed },
	};
	AUTO(device_signals_freep)
	struct device_signals *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return err_oom(e, "listen to cellsd");
	*s = (struct device_signals){ h, arg };
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_bus_match_signal(connection->bus, NULL, BUS_DEVICE_NAME,
					BUS_DEVICE_PATH, BUS_DEVICE_NAME,
					signals[i].member, signals[i].handler,
					s);
	if (r < 0)
		return err_sys(e, -r, "listen to cellsd");
	*ret = steal(s);
	return 0;
}

void device_signals_free(struct device_signals *s)
{
	free(s);
}

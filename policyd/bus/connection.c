/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/bus/connection.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/err.h"
#include "policyd/bus/connection_internal.h"

#include <stdlib.h>

static void connection_closep(struct connection **c)
{
	connection_close(*c);
}

int connection_open(sd_event *event, struct connection **ret, struct err *e)
{
	AUTO(connection_closep) struct connection *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_oom(e, "connect to the system bus");
	bus_limit_memory();
	r = bus_open(&c->bus, e);
	if (r < 0)
		return r;
	/* Without its bus it is nobody: the service manager starts it again. */
	r = sd_bus_set_exit_on_disconnect(c->bus, true);
	if (r >= 0)
		r = sd_bus_attach_event(c->bus, event,
					SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		return err_sys(e, -r, "watch the bus");
	*ret = steal(c);
	return 0;
}

void connection_close(struct connection *c)
{
	if (!c)
		return;
	sd_bus_flush_close_unref(c->bus);
	free(c);
}

int connection_signal_pending(struct connection *c, const char *word)
{
	int r = sd_bus_emit_signal(c->bus, BUS_POLICY_PATH, BUS_POLICY_NAME,
				   "Pending", "s", word);

	return r < 0 ? r : 0;
}

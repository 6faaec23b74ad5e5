/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/bus/peer_watch.h"

#include "policyd/bus/connection_internal.h"

#include <stdlib.h>

struct peer_watch {
	sd_bus_track *track;
	void (*gone)(void *arg);
	void *arg;
};

static int on_peer_gone(sd_bus_track *t, void *arg)
{
	const struct peer_watch *w = arg;

	w->gone(w->arg);
	return 1; /* with 0 sd-bus calls this again, for ever */
}

struct peer_watch *peer_watch_new(struct connection *c, const char *name,
				  void (*gone)(void *arg), void *arg)
{
	struct peer_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct peer_watch){ .gone = gone, .arg = arg };
	if (sd_bus_track_new(c->bus, &w->track, on_peer_gone, w) >= 0)
		sd_bus_track_add_name(w->track, name);
	return w;
}

void peer_watch_free(struct peer_watch *w)
{
	if (!w)
		return;
	sd_bus_track_unref(w->track);
	free(w);
}

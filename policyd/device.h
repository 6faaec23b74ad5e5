/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cellsd, seen from here: org.cells.Device1 as asynchronous calls. It may come
 * and go; what is in force is pushed whenever it appears, and receipts are
 * written when it has answered.
 */
#ifndef POLICYD_DEVICE_H
#define POLICYD_DEVICE_H

#include <systemd/sd-bus.h>

#include "lib/doc.h"
#include "lib/json.h"

struct device;
struct err;
struct policyd;

int device_new(struct policyd *p, struct device **ret, struct err *e);
void device_free(struct device *d);

/* Makes cellsd hold what is in force. `cause` goes into its events: policy,
 * window, start, wipe, remove. Cheap where nothing has changed. */
void device_push(struct policyd *p, const char *cause);

/* Has cellsd answered a push since it appeared? Then orders may be given. */
bool device_is_ready(const struct policyd *p);
/* Pushes again after trouble; called every few seconds. */
void device_tick(struct policyd *p);

/* What cellsd can enforce; remembered while it is away. */
enum doc_level device_level(const struct policyd *p);
bool device_has_class(const struct policyd *p, enum cells_class c);
/* {"backend","level","classes":{name:["major:minor"]}}; NULL: no memory. */
json_t *device_inventory(const struct policyd *p);

/* What it does not enforce of a VP that runs: a list of names, taken; and the
 * list, borrowed, NULL when nothing was said. */
void device_note_lacks(struct policyd *p, const char *vp, json_t *names);
json_t *device_lacks(const struct policyd *p, const char *vp);

/* cellsd is being asked to let go of it: it would have to be given again. */
void device_layer_dropped(struct policyd *p, const char *digest);

/*
 * A method of cellsd; `m` from device_message(), which names it. The handler
 * gets `arg` as any sd-bus reply handler does.
 */
int device_message(struct policyd *p, const char *method, sd_bus_message **ret);
int device_call(struct policyd *p, sd_bus_message *m,
		sd_bus_message_handler_t handler, void *arg);

/* Is this error cellsd's own verdict, not trouble on the way to it? */
bool device_has_spoken(const sd_bus_error *error);

/* An `as` as a list. */
int device_read_names(sd_bus_message *m, json_t **ret);
/* An a{sv} of simple values and lists of text as JSON. */
int device_read_details(sd_bus_message *m, json_t **ret);

static inline void device_freep(struct device **d)
{
	device_free(*d);
}

#endif

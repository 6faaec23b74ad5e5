/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cellsd, seen from here: what is known of it, and org.cells.Device1 as
 * asynchronous calls. It may come and go; reconcile.h tells what is done then.
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

/* It has this unique name on the bus; it has left it. */
void device_appeared(struct policyd *p, const char *owner);
void device_gone(struct policyd *p);
bool device_is_present(const struct policyd *p);
/* Has it answered a push since it appeared? Then orders may be given. */
void device_set_ready(struct policyd *p);
bool device_is_ready(const struct policyd *p);

/* Answers of Inventory and Layers; <0 as sd-bus does. */
int device_take_inventory(struct policyd *p, sd_bus_message *m);
int device_take_layers(struct policyd *p, sd_bus_message *m);

/* What cellsd can enforce; remembered while it is away. */
enum doc_level device_level(const struct policyd *p);
bool device_has_class(const struct policyd *p, enum cells_class c);
/* {"backend","level","classes":{name:["major:minor"]}}; NULL: no memory. */
json_t *device_inventory(const struct policyd *p);

/* What it does not enforce of a VP that runs: a list of names, taken; and the
 * list, borrowed, NULL when nothing was said. */
void device_note_lacks(struct policyd *p, const char *vp, json_t *names);
json_t *device_lacks(const struct policyd *p, const char *vp);

/* Does it hold the layer? It is being given it; or is being asked to let go of
 * it, after which it would have to be given again. */
bool device_has_layer(const struct policyd *p, const char *digest);
void device_layer_given(struct policyd *p, const char *digest);
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

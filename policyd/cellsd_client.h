/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cellsd, seen from here: what is known of it, and org.cells.Device1 as
 * asynchronous calls. It may come and go; for what is done then see
 * reconcile.h.
 */
#ifndef POLICYD_CELLSD_CLIENT_H
#define POLICYD_CELLSD_CLIENT_H

#include <systemd/sd-bus.h>

#include "lib/document/doc.h"
#include "lib/json.h"

struct cellsd_client;
struct err;
struct store;

int cellsd_client_new(sd_bus *bus, struct store *store,
		      struct cellsd_client **ret, struct err *e);
void cellsd_client_free(struct cellsd_client *client);

/* It has this unique name on the bus; it has left it. */
void cellsd_client_set_present(struct cellsd_client *client, const char *owner);
void cellsd_client_set_absent(struct cellsd_client *client);
bool cellsd_client_is_present(const struct cellsd_client *client);
/* Has it answered a push since it appeared? Then commands may be given. */
void cellsd_client_set_ready(struct cellsd_client *client);
bool cellsd_client_is_ready(const struct cellsd_client *client);

/* Answers of Inventory and Layers; <0 as sd-bus does. */
int cellsd_client_read_inventory(struct cellsd_client *client,
				 sd_bus_message *m);
int cellsd_client_read_layers(struct cellsd_client *client, sd_bus_message *m);

/* What cellsd can enforce; remembered while it is away. */
enum doc_level cellsd_client_get_level(const struct cellsd_client *client);
bool cellsd_client_has_class(const struct cellsd_client *client,
			     enum cells_class c);
/* {"backend","level","classes":{name:["major:minor"]}}; NULL: no memory. */
json_t *cellsd_client_format_inventory(const struct cellsd_client *client);

/* What it does not enforce of a VP that runs: a list of names, taken; and the
 * list, borrowed, NULL when nothing was said. */
void cellsd_client_set_unenforced(struct cellsd_client *client, const char *vp,
				  json_t *names);
json_t *cellsd_client_get_unenforced(const struct cellsd_client *client,
				     const char *vp);

/* Does it hold the layer? It is being given it; or is being asked to let go of
 * it, after which it would have to be given again. */
bool cellsd_client_has_layer(const struct cellsd_client *client,
			     const char *digest);
void cellsd_client_add_layer(struct cellsd_client *client, const char *digest);
void cellsd_client_remove_layer(struct cellsd_client *client,
				const char *digest);

/*
 * A method of cellsd; `m` from cellsd_client_new_message(), which names it. The
 * handler gets `arg` as any sd-bus reply handler does.
 */
int cellsd_client_new_message(struct cellsd_client *client, const char *method,
			      sd_bus_message **ret);
int cellsd_client_call_async(struct cellsd_client *client, sd_bus_message *m,
			     sd_bus_message_handler_t handler, void *arg);
/* The same; once *ret is unreferenced the handler is not called any more. */
int cellsd_client_call_slot(struct cellsd_client *client, sd_bus_message *m,
			    sd_bus_message_handler_t handler, void *arg,
			    sd_bus_slot **ret);

/* Is this error cellsd's own verdict, not trouble on the way to it? */
bool cellsd_client_is_own_error(const sd_bus_error *error);

/* An `as` as a list. */
int cellsd_client_read_string_list(sd_bus_message *m, json_t **ret);
/* An a{sv} of simple values and lists of text as JSON. */
int cellsd_client_read_dictionary(sd_bus_message *m, json_t **ret);

static inline void cellsd_client_freep(struct cellsd_client **client)
{
	cellsd_client_free(*client);
}

#endif

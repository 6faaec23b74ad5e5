/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of cellsd. It may come and go; for what is done then see
 * reconcile.h.
 */
#ifndef POLICYD_CELLSD_STATE_H
#define POLICYD_CELLSD_STATE_H

#include "lib/document/doc.h"
#include "lib/json.h"

struct cellsd_state;
struct device_inventory;
struct err;
struct store;

int cellsd_state_new(struct store *store, struct cellsd_state **ret,
		     struct err *e);
void cellsd_state_free(struct cellsd_state *s);

/* It appeared on the bus; it left. */
void cellsd_state_set_present(struct cellsd_state *s);
void cellsd_state_set_absent(struct cellsd_state *s);
bool cellsd_state_is_present(const struct cellsd_state *s);
/* Commands may be sent: it has answered a push since it appeared. */
void cellsd_state_set_ready(struct cellsd_state *s);
bool cellsd_state_is_ready(const struct cellsd_state *s);

/* The answer to Inventory. The level of enforcement is stored. */
int cellsd_state_set_inventory(struct cellsd_state *s,
			       const struct device_inventory *inventory,
			       struct err *e);
/* The digests of the layers that it holds. */
void cellsd_state_set_layers(struct cellsd_state *s, json_t *digests);

/* The level that cellsd can enforce; kept while it is away. */
enum doc_level cellsd_state_get_level(const struct cellsd_state *s);
bool cellsd_state_has_class(const struct cellsd_state *s, enum cells_class c);
/* {"backend","level","classes":{name:["major:minor"]}}; NULL: no memory. */
json_t *cellsd_state_format_inventory(const struct cellsd_state *s);

/* What it does not enforce of a VP that runs: a list of names, taken; and the
 * list, borrowed; NULL: none given. */
void cellsd_state_set_unenforced(struct cellsd_state *s, const char *vp,
				 json_t *names);
json_t *cellsd_state_get_unenforced(const struct cellsd_state *s,
				    const char *vp);

/* Whether it holds the layer. Add a layer once cellsd has taken it, and remove
 * it before cellsd is asked to drop it. */
bool cellsd_state_has_layer(const struct cellsd_state *s, const char *digest);
void cellsd_state_add_layer(struct cellsd_state *s, const char *digest);
void cellsd_state_remove_layer(struct cellsd_state *s, const char *digest);

static inline void cellsd_state_freep(struct cellsd_state **s)
{
	cellsd_state_free(*s);
}

#endif

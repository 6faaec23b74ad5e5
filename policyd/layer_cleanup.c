/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/layer_cleanup.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "policyd/cellsd_client.h"
#include "policyd/document/document_state.h"
#include "policyd/layer/layer_store.h"
#include "policyd/store/store.h"

#define BUSY "org.cells.Error.busy"

struct layer_removal {
	struct layer_cleanup cleanup;
	char hex[LAYER_STORE_HEX + 1];
};

static int on_drop_layer_answer(sd_bus_message *m, void *arg,
				sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(m);
	auto_free struct layer_removal *d = arg;

	/* busy: a VP still runs on it; the next cleanup asks again */
	if ((error && !cellsd_client_is_own_error(error)) ||
	    sd_bus_error_has_name(error, BUSY))
		return 0;
	layer_store_delete_unused(d->cleanup.layers, d->cleanup.state, d->hex);
	return 0;
}

static void request_layer_removal(void *ctx, const char *hex)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	const struct layer_cleanup *c = ctx;
	struct layer_removal *d = calloc(1, sizeof(*d));
	char digest[ENCODING_DIGEST_SIZE];

	if (!d)
		return;
	d->cleanup = *c;
	snprintf(d->hex, sizeof(d->hex), "%s", hex);
	snprintf(digest, sizeof(digest), "sha256:%s", d->hex);
	if (cellsd_client_new_message(c->cellsd, "DropLayer", &m) < 0 ||
	    sd_bus_message_append(m, "s", digest) < 0 ||
	    cellsd_client_call_async(c->cellsd, m, on_drop_layer_answer, d) < 0)
		free(d);
	else
		cellsd_client_remove_layer(c->cellsd, digest);
}

void layer_cleanup_start(const struct layer_cleanup *c, struct store *store)
{
	/* While documents are on their way, so may be their layers. */
	if (c->state->staged ||
	    store_get_int_or_default(store, STORE_APPLYING, 0))
		return;
	layer_store_remove_unused(c->layers, c->state, request_layer_removal,
				  (void *)c);
}

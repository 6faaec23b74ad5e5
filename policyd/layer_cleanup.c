/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/layer_cleanup.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "policyd/bus/device_client.h"
#include "policyd/cellsd_state.h"
#include "policyd/document/document_state.h"
#include "policyd/layer/layer_store.h"
#include "policyd/store/store.h"

struct layer_removal {
	struct layer_cleanup cleanup;
	char hex[LAYER_STORE_HEX + 1];
};

static void on_drop_layer_answer(void *arg, const struct device_answer *a)
{
	auto_free struct layer_removal *d = arg;

	/* busy: a VP still runs on it; the next cleanup asks again */
	if (a->result == DEVICE_FAILED ||
	    (a->result == DEVICE_REFUSED && a->why.reason == REASON_BUSY))
		return;
	layer_store_delete_unused(d->cleanup.layers, d->cleanup.state, d->hex);
}

static void request_layer_removal(void *ctx, const char *hex)
{
	const struct layer_cleanup *c = ctx;
	struct layer_removal *d = calloc(1, sizeof(*d));
	const struct device_call call = { .what = "drop layer",
					  .done = on_drop_layer_answer,
					  .arg = d };
	char digest[ENCODING_DIGEST_SIZE];

	if (!d)
		return;
	d->cleanup = *c;
	snprintf(d->hex, sizeof(d->hex), "%s", hex);
	snprintf(digest, sizeof(digest), "sha256:%s", d->hex);
	if (device_client_drop_layer(c->device, digest, &call) < 0)
		free(d);
	else
		cellsd_state_remove_layer(c->cellsd, digest);
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

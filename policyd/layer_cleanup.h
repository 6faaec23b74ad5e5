/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers that no document uses any more: cellsd is asked to drop each of them,
 * and then its file is deleted. A layer that a VP still runs on stays until the
 * next time.
 */
#ifndef POLICYD_LAYER_CLEANUP_H
#define POLICYD_LAYER_CLEANUP_H

struct cellsd_state;
struct device_client;
struct document_state;
struct layer_store;
struct store;

/* All are borrowed until cellsd has answered. */
struct layer_cleanup {
	struct cellsd_state *cellsd;
	struct device_client *device;
	struct layer_store *layers;
	const struct document_state *state;
};

/* Does nothing while documents are staged or being applied. */
void layer_cleanup_start(const struct layer_cleanup *c, struct store *store);

#endif

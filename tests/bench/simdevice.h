/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated device: the agent's own protocol code, and behind it, instead
 * of cells-policyd, somebody who accepts everything and signs a receipt for it.
 */
#ifndef TESTS_BENCH_SIMDEVICE_H
#define TESTS_BENCH_SIMDEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/transport.h"

struct err;
struct simdevice;
struct simstore;
struct simstore_device;

struct simdevice_ops {
	void (*connected)(void *user, struct simdevice *d);
	void (*closed)(void *user, struct simdevice *d,
		       const struct transport_end *end);
	/* simdevice_work() has something to do. */
	void (*busy)(void *user, struct simdevice *d);
	/* The server has the device's receipts. */
	void (*acked)(void *user, struct simdevice *d);
};

/* Borrows store and device. */
int simdevice_new(struct transport *w, const struct simstore *store,
		  const struct simstore_device *who,
		  const struct simdevice_ops *ops, void *user,
		  struct simdevice **ret, struct err *e);
void simdevice_free(struct simdevice *d);

void simdevice_connect(struct simdevice *d);
bool simdevice_is_connected(const struct simdevice *d);

/* Answers what came in. Not from within transport_service(). */
void simdevice_work(struct simdevice *d);

#endif

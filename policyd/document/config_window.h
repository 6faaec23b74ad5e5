/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window of cellsctl unlock-config: for some minutes one protected config
 * may be replaced without a proof of its password. It ends with the boot.
 */
#ifndef POLICYD_DOCUMENT_CONFIG_WINDOW_H
#define POLICYD_DOCUMENT_CONFIG_WINDOW_H

#include <stdint.h>

#include "lib/document/doc.h"

/* Zeroed: closed. */
struct config_window {
	char id[DOC_ID_SIZE];
	uint64_t until_ns; /* boot clock */
};

void config_window_open(struct config_window *w, const char *id,
			uint64_t seconds);
/* The config that may be replaced now, "" if none. Borrowed. */
const char *config_window_get(const struct config_window *w);

#endif

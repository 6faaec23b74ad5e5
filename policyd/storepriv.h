/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store share. */
#ifndef POLICYD_STOREPRIV_H
#define POLICYD_STOREPRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/db.h"

struct store {
	struct db *db;
	bool durable;
	bool is_ahead; /* of the disk: store_sync() has something to do */
};

/* Cuts what does not fit. */
void store_copy_word(char *ret, size_t size, const char *text);

#endif

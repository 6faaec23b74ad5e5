/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store share. */
#ifndef POLICYD_STORE_STORE_INTERNAL_H
#define POLICYD_STORE_STORE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/db.h"

struct store {
	struct db *db;
	char *dir;
	bool durable;
	bool is_ahead; /* of the disk: store_sync() has something to do */
};

/* The only column of the only row, which the caller frees. -ENOENT: `what` is
 * not there. */
int store_read_text_row(struct db_row *row, const char *what, char **ret,
			struct err *e);

/* Cuts what does not fit. */
void store_copy_truncated(char *ret, size_t size, const char *text);

#endif

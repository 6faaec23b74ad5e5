/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of the REST interface (schema/openapi.yaml), which are divided into
 * pages: {"items": [...], "next": CURSOR or null}.
 */
#ifndef LIB_PAGINATION_H
#define LIB_PAGINATION_H

#include <stdio.h>

#include "lib/json.h"

struct err;

/* GET of a path; the caller owns *ret. */
typedef int pagination_get_fn(void *ctx, const char *path, json_t **ret,
			      struct err *e);

/*
 * Returns the items of all pages of `path`, which is escaped and can have a
 * query; at most `max` items (0: all). The caller owns *ret, an array.
 * -EBADMSG: a page is not a list, or the pages do not end.
 */
int pagination_read(const char *path, unsigned int max, pagination_get_fn *get,
		    void *ctx, json_t **ret, struct err *e);

/* Escapes a part of a path or query with %XX (RFC 3986, 2.1). */
void pagination_escape(FILE *f, const char *s);

#endif

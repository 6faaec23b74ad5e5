/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of the REST interface (schema/openapi.yaml), which come in pages:
 * {"items": [...], "next": CURSOR or null}.
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
 * The items of all pages of `path`, which is escaped and may have a query; at
 * most `max` of them (0: all there are). The caller owns *ret, an array.
 * -EBADMSG: a page is not a list, or there is no end to them.
 */
int pagination_read(const char *path, unsigned int max, pagination_get_fn *get,
		    void *ctx, json_t **ret, struct err *e);

/* A part of a path or query: what may not occur in one as %XX (RFC 3986, 2.1).
 */
void pagination_escape(FILE *f, const char *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's REST interface (schema/openapi.yaml), by lib/http.h. A refusal
 * is an error with the problem's detail and code; -ENOENT means 404,
 * -EEXIST for 409.
 */
#ifndef CELLSADM_REMOTE_H
#define CELLSADM_REMOTE_H

#include "lib/json.h"

struct adm;
struct err;

/*
 * A path is built from its parts, which are escaped: a NULL ends them. "?" as a
 * part begins the query: then name, value, name, value (a NULL value: left
 * out).
 */
#define REMOTE_PATH(...)                                                       \
	((const char *const[]){ __VA_ARGS__, NULL, NULL, NULL })

/* GET. The caller owns *ret. */
int remote_get(struct adm *a, const char *const *path, json_t **ret,
	       struct err *e);

/* GET of something other than JSON. */
int remote_get_text(struct adm *a, const char *const *path, char **ret,
		    size_t *ret_len, struct err *e);

/* All items of a list, over its cursors; at most `max` (0: all there are). */
int remote_list(struct adm *a, const char *const *path, unsigned int max,
		json_t **ret, struct err *e);

/* The newest `max` of a list (0: all there are), the oldest of them first. The
 * path asks for them with "order", REMOTE_ORDER(max). */
int remote_list_newest(struct adm *a, const char *const *path, unsigned int max,
		       json_t **ret, struct err *e);
#define REMOTE_ORDER(max) ((max) ? "desc" : NULL)

/* body may be NULL; ret may be NULL. */
int remote_send(struct adm *a, const char *method, const char *const *path,
		const json_t *body, json_t **ret, struct err *e);

/* Ends the connection that the first call made; there may be none. */
void remote_close(struct adm *a);

/* The path as text, which the caller frees; NULL: no memory. */
char *remote_format_path(const char *const *path);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's access matrix, worked out a second time here: from the device's
 * receipts, verified by its key, and the policies that they name, verified by
 * the root. A server that paints another picture is found out.
 */
#ifndef CELLSADM_RECHECK_H
#define CELLSADM_RECHECK_H

#include "lib/json.h"

struct adm;
struct err;

/*
 * Compares each cell of `matrix` (devices/{device}/access). On success
 * *ret_text, which the caller frees, says by what. err.signature: it differs.
 * `at` NULL: now.
 */
int recheck_matrix(struct adm *a, const json_t *matrix, const char *at,
		   char **ret_text, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Computes the server's statements on access again, from the device's receipts,
 * verified with its key, and from the policies that they name, verified with
 * the root. A server that reports other rights is detected.
 */
#ifndef CELLSADM_TRUST_VERIFY_ACCESS_H
#define CELLSADM_TRUST_VERIFY_ACCESS_H

#include "lib/json.h"

struct adm;
struct err;
struct receipt;
struct verify_access;

/* For several devices; shared data is fetched once. */
int verify_access_new(struct adm *a, struct verify_access **ret, struct err *e);
void verify_access_free(struct verify_access *c);

/*
 * Fetches and verifies the evidence of the device in the epoch of
 * answer.receipt. `at` NULL: now. -ENOENT: no receipt says what is in force.
 */
int verify_access_load(struct verify_access *c, const char *device,
		       const json_t *answer, const char *at, struct err *e);
/* The verified receipt on which the result is based; borrowed. */
const struct receipt *verify_access_get_receipt(const struct verify_access *c);
/*
 * Compares a row of access/query. err.signature: it differs; -EAGAIN: the
 * result depends on the device's local time.
 */
int verify_access_check_row(struct verify_access *c, const json_t *row,
			    struct err *e);

/*
 * Compares all of `matrix` (devices/{device}/access). On success *ret_text,
 * which the caller frees, says by what. The same errors.
 */
int verify_access_check_matrix(struct adm *a, const char *device,
			       const json_t *matrix, const char *at,
			       char **ret_text, struct err *e);

static inline void verify_access_freep(struct verify_access **c)
{
	verify_access_free(*c);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says of access, worked out a second time here: from the
 * device's receipts, verified by its key, and the policies that they name,
 * verified by the root. A server that paints another picture is found out.
 */
#ifndef CELLSADM_TRUST_VERIFY_ACCESS_H
#define CELLSADM_TRUST_VERIFY_ACCESS_H

#include "lib/json.h"

struct adm;
struct err;
struct receipt;
struct verify_access;

/* For one device after another; what they share is fetched once. */
int verify_access_new(struct adm *a, struct verify_access **ret, struct err *e);
void verify_access_free(struct verify_access *c);

/*
 * Fetches and verifies the evidence of the device in the epoch of
 * answer.receipt. `at` NULL: now. -ENOENT: no receipt says what is in force.
 */
int verify_access_load(struct verify_access *c, const char *device,
		       const json_t *answer, const char *at, struct err *e);
/* The verified receipt that it rests on; borrowed. */
const struct receipt *verify_access_get_receipt(const struct verify_access *c);
/* Compares a row of the fleet's access. err.signature: it differs; -EAGAIN: the
 * device's local time decides. */
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

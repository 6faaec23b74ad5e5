/* SPDX-License-Identifier: Apache-2.0 */
/* The device moves to another group: what it waited for is of the old one. */
#ifndef POLICYD_MEMBERSHIP_H
#define POLICYD_MEMBERSHIP_H

struct doc_membership;
struct err;
struct recorder;

/* A verified membership, taken for the first time, in one transaction: the
 * staged snapshot goes. */
int membership_accept(const struct recorder *rec,
		      const struct doc_membership *m, struct err *e);

#endif

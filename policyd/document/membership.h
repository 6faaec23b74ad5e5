/* SPDX-License-Identifier: Apache-2.0 */
/* The device moves to another group: what it waited for is of the old one. */
#ifndef POLICYD_DOCUMENT_MEMBERSHIP_H
#define POLICYD_DOCUMENT_MEMBERSHIP_H

struct doc_membership;
struct err;
struct policyd;
struct verdict;

/* A verified membership, taken for the first time. */
int membership_accept(struct policyd *p, const struct doc_membership *m,
		      struct verdict *ret, struct err *e);

#endif

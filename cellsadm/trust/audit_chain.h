/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's audit as the server reports it: one chain of records for each
 * epoch, whose heads the device signed. This machine keeps the last head of
 * each chain, and later heads must continue it.
 */
#ifndef CELLSADM_TRUST_AUDIT_CHAIN_H
#define CELLSADM_TRUST_AUDIT_CHAIN_H

#include "lib/json.h"

struct adm;
struct err;

/*
 * Verifies the chain of each epoch of the device and keeps its newest head.
 * *ret is {"device","records","unsigned","heads","key","chains":[the same an
 * epoch]}; only what a head signs counts among `records`. err.rollback,
 * err.equivocation: it is shorter than what was seen here, or another one.
 */
int audit_chain_verify(struct adm *a, const char *device, json_t **ret,
		       struct err *e);

/* Takes the device's chains for what was seen here, though they are shorter or
 * others, after the server wrote down who does so and why. -EINVAL: they
 * continue what was seen. */
int audit_chain_accept(struct adm *a, const char *device, const char *reason,
		       struct err *e);

#endif

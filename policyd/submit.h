/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent brings: each envelope is verified, then taken or refused. A
 * refusal changes nothing but leaves a receipt, one an hour for the same thing.
 */
#ifndef POLICYD_SUBMIT_H
#define POLICYD_SUBMIT_H

#include <stddef.h>

struct err;
struct policyd;
struct submit_result;

/* < 0: it could not be decided (no memory, no disk); nothing was changed. */
int submit_envelope(struct policyd *p, const void *data, size_t len,
		    struct submit_result *ret, struct err *e);

#endif

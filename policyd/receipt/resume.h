/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device whose storage was put back to an older copy does not know what it
 * has signed since. A server shows it the newest that it has; what this device
 * wrote under numbers that were given already is renumbered above them, so
 * that no number is signed twice, and a gap reports it.
 */
#ifndef POLICYD_RECEIPT_RESUME_H
#define POLICYD_RECEIPT_RESUME_H

#include <stddef.h>

struct err;
struct recorder;

/* The newest receipt and audit head that a server holds, as envelopes; length
 * 0: none. What this device did not sign is left aside. */
int resume_from_server(const struct recorder *rec, const char *receipt,
		       size_t receipt_len, const char *head, size_t head_len,
		       struct err *e);

#endif

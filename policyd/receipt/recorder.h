/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What receipts and audit records are made from. Those who write them take a
 * recorder, and nothing else of the daemon.
 */
#ifndef POLICYD_RECEIPT_RECORDER_H
#define POLICYD_RECEIPT_RECORDER_H

#include <stdint.h>

#include "lib/document/doc.h"

struct document_set;
struct key;
struct pending;
struct secure_time;
struct store;

/* Who the device is in its organisation. */
struct identity {
	struct key *key; /* of receipts, owned; NULL: not enrolled */
	char device[DOC_ID_SIZE], epoch[33], org[DOC_ID_SIZE];
};

/* All borrowed. Writers change the store and nothing else. */
struct recorder {
	struct store *store;
	struct pending *pending;
	const struct identity *identity;
	const struct secure_time *time;
	const struct document_set *in_force;
};

/* The time that records bear: presumed secure time or the wall clock, the later
 * of the two. Seconds since 1970. */
int64_t recorder_get_time(const struct recorder *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an envelope to a document that may be trusted: signed by who may (see
 * threshold.h), parsed, of this organisation. Device, server and
 * administrator's tools ask the same functions. TUF 1.0, 5.3: the chain of
 * roots.
 */
#ifndef LIB_DOCUMENT_TRUST_H
#define LIB_DOCUMENT_TRUST_H

#include "lib/document/threshold.h"

struct envelope;
struct err;

/*
 * All of: signatures, then parse, then org and (for a command) the action's own
 * role. Time, versions and addressees are the caller's. The payload is not
 * looked at before the threshold is reached. The caller frees *ret;
 * ret_signers may be NULL and is filled in each case.
 */
int trust_open(const struct doc_root *root, const struct envelope *env,
	       struct doc **ret, struct threshold_result *ret_signers,
	       struct err *e);

/* The first root: its payload has the pinned digest and its own threshold. */
int trust_open_pinned_root(const struct envelope *env,
			   const uint8_t digest[HASH_SIZE], struct doc **ret,
			   struct err *e);

/* Version held + 1, signed by the thresholds of both: else err.root-chain. */
int trust_open_next_root(const struct doc_root *held,
			 const struct envelope *env, struct doc **ret,
			 struct err *e);

#endif

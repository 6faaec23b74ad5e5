/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens an envelope and returns a trusted document: signed by the required
 * roles (see threshold.h), parsed, and of this organisation. The device, the
 * server and the administrator's tools use the same functions. TUF 1.0, 5.3:
 * the chain of roots.
 */
#ifndef LIB_DOCUMENT_TRUST_H
#define LIB_DOCUMENT_TRUST_H

#include "lib/document/threshold.h"

struct envelope;
struct err;

/*
 * Verifies the signatures, then parses, then checks the org and, for a command,
 * the role of the action. The caller checks time, version and addressee. The
 * payload is not parsed before the threshold is reached. The caller frees *ret;
 * ret_signers can be NULL and is always filled.
 */
int trust_open(const struct doc_root *root, const struct envelope *env,
	       struct doc **ret, struct threshold_result *ret_signers,
	       struct err *e);

/*
 * Verifies a first root: its payload has the pinned digest, and it reaches its
 * own threshold.
 */
int trust_open_pinned_root(const struct envelope *env,
			   const uint8_t digest[HASH_SIZE], struct doc **ret,
			   struct err *e);

/*
 * Verifies the next root: its version is that of the current root + 1, and it
 * reaches the thresholds of both; else err.root-chain.
 */
int trust_open_next_root(const struct doc_root *held,
			 const struct envelope *env, struct doc **ret,
			 struct err *e);

#endif

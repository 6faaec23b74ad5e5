/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may sign what: an envelope against the root in force. Device, server and
 * administrator's tools ask the same functions.
 */
#ifndef LIB_DOCUMENT_TRUST_H
#define LIB_DOCUMENT_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/doc.h"

struct envelope;
struct err;

/* Which keys of the root (bits of doc_root.key[]) signed validly for the role.
 */
struct trust_result {
	uint64_t signers;
	unsigned int count, threshold;
};

/*
 * Counts each key of the role once. 0 when the threshold is reached; otherwise
 * err.unknown-key, err.signature or err.threshold. ret may be NULL and is
 * filled in each case.
 */
int trust_check_role(const struct doc_root *root, enum doc_role role,
		     const struct envelope *env, struct trust_result *ret,
		     struct err *e);

/* The role that the payloadType belongs to. A command may be by `command` or
 * `destroy`; which, its action says once it is parsed. */
int trust_check(const struct doc_root *root, const struct envelope *env,
		struct trust_result *ret, struct err *e);

/*
 * All of: signatures, then parse, then org and (for a command) the action's own
 * role. Time, versions and addressees are the caller's. The payload is not
 * looked at before the threshold is reached. The caller frees *ret;
 * ret_signers may be NULL and is filled in each case.
 */
int trust_open(const struct doc_root *root, const struct envelope *env,
	       struct doc **ret, struct trust_result *ret_signers,
	       struct err *e);

/* The first root: its payload has the pinned digest and its own threshold. */
int trust_open_pinned_root(const struct envelope *env,
			   const uint8_t digest[HASH_SIZE], struct doc **ret,
			   struct err *e);

/* Version held + 1, signed by the thresholds of both: else err.root-chain. */
int trust_open_next_root(const struct doc_root *held,
			 const struct envelope *env, struct doc **ret,
			 struct err *e);

/* "alice, bob" of the signers' names; ret has `size` bytes. */
void trust_names(const struct doc_root *root, uint64_t signers, char *ret,
		 size_t size);

#endif

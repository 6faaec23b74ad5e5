/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may sign what, and how many of them must: the signatures of an envelope
 * against the roles of the root in force. TUF 1.0, 4.3 and 5.3.4: the keys and
 * threshold of a role.
 */
#ifndef LIB_DOCUMENT_THRESHOLD_H
#define LIB_DOCUMENT_THRESHOLD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/document/doc.h"

struct envelope;
struct err;

/* What the signatures come to, before any role's threshold. Bits of
 * doc_root.key[]. */
struct threshold_tally {
	uint64_t known; /* keys that an entry claims to be by */
	uint64_t valid; /* keys that signed */
};

/* Which keys of the role (bits of doc_root.key[]) signed validly. */
struct threshold_result {
	uint64_t signers;
	unsigned int count, threshold;
};

/*
 * Counts each key of the role once. 0 when the threshold is reached; otherwise
 * err.unknown-key, err.signature or err.threshold. ret may be NULL and is
 * filled in each case.
 */
int threshold_check_role(const struct doc_root *root, enum doc_role role,
			 const struct envelope *env,
			 struct threshold_result *ret, struct err *e);

/*
 * The same for the role that the payloadType belongs to; err.envelope if it
 * belongs to none. A command may be by `command` or `destroy`; which, its
 * action says once it is parsed: then threshold_check_tally() decides, with
 * what was verified here. ret_tally and ret may be NULL; ret is filled in each
 * case.
 */
int threshold_check(const struct doc_root *root, const struct envelope *env,
		    struct threshold_tally *ret_tally,
		    struct threshold_result *ret, struct err *e);
int threshold_check_tally(const struct doc_root *root, enum doc_role role,
			  const struct envelope *env,
			  const struct threshold_tally *t,
			  struct threshold_result *ret, struct err *e);

/* "alice, bob" of the signers' names; ret has `size` bytes. */
void threshold_names(const struct doc_root *root, uint64_t signers, char *ret,
		     size_t size);

#endif

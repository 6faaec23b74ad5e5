/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles and thresholds: verifies the signatures of an envelope with the roles
 * of the root in force. TUF 1.0, 4.3 and 5.3.4: the keys and threshold of a
 * role.
 */
#ifndef LIB_DOCUMENT_THRESHOLD_H
#define LIB_DOCUMENT_THRESHOLD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/document/doc.h"

struct envelope;
struct err;

/*
 * The result of the signatures, independent of a role's threshold. Bits of
 * doc_root.key[].
 */
struct threshold_tally {
	uint64_t known; /* keys that an entry claims to be by */
	uint64_t valid; /* keys that signed */
};

/* The keys of the role (bits of doc_root.key[]) with valid signatures. */
struct threshold_result {
	uint64_t signers;
	unsigned int count, threshold;
};

/*
 * Counts each key of the role once. Returns 0 if the threshold is reached;
 * otherwise err.unknown-key, err.signature or err.threshold. ret can be NULL
 * and is always filled.
 */
int threshold_check_role(const struct doc_root *root, enum doc_role role,
			 const struct envelope *env,
			 struct threshold_result *ret, struct err *e);

/*
 * The same for the role of the payloadType; err.envelope if it has none. A
 * command needs the role `command` or `destroy`, depending on its action, which
 * is known after parsing; then threshold_check_tally() decides with the
 * verified signatures. ret_tally and ret can be NULL; ret is always filled.
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's audit: every write, login and refusal, and the heads of the
 * devices' audits, in one Merkle tree (RFC 9162) whose heads the director
 * signs. A leaf is the exact JSON text of an entry.
 */
#ifndef MGMT_SERVER_STORE_AUDIT_LOG_H
#define MGMT_SERVER_STORE_AUDIT_LOG_H

#include "lib/crypto/merkle.h"
#include "lib/json.h"

struct db;
struct err;
struct key;

struct audit_log_entry {
	const char *who, *from, *action; /* never NULL */
	const char *object, *device, *group;
	const char *outcome;	/* NULL: "ok" */
	json_t *before, *after; /* borrowed; NULL: left out */
};

/* The tree as the database has it. */
int audit_log_load_tree(struct db *db, struct merkle *ret, struct err *e);

/* Adds an entry; *ret_index, if wanted, is its leaf. */
int audit_log_append(struct db *db, struct merkle *tree,
		     const struct audit_log_entry *entry, uint64_t *ret_index,
		     struct err *e);

/* The signed head; the caller frees *ret. */
int audit_log_sign_head(const struct merkle *tree, const char *org,
			const struct key *director, char **ret, struct err *e);

/* Proofs as lists of hex hashes; -ENOENT: outside the tree. */
int audit_log_prove_inclusion(struct db *db, const struct merkle *tree,
			      uint64_t index, uint64_t size, json_t **ret,
			      struct err *e);
int audit_log_prove_consistency(struct db *db, const struct merkle *tree,
				uint64_t first, uint64_t second, json_t **ret,
				struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs of the config password (10-policy, Passwords): a protected vp-config
 * is replaced only by one whose signer knows the old one's password.
 */
#ifndef CELLSADM_TRUST_PASSWORD_PROOF_H
#define CELLSADM_TRUST_PASSWORD_PROOF_H

#include <stdbool.h>

struct adm;
struct doc_vp_config;
struct envelope;
struct err;
struct opt_list;

struct password_proof_request {
	const struct opt_list *older; /* --proof-for: files */
	const struct opt_list *password_files;
	bool offline; /* do not ask the server */
};

/*
 * Adds a proof over each protected version that may still be in the fleet:
 * those signed on this machine, those of --proof-for and, unless --offline,
 * those that the server has. Passwords come from the options, else from the
 * terminal, once. A version that none of them fits is named on stderr and gets
 * no proof.
 */
int password_proof_add(struct adm *a, const struct password_proof_request *rq,
		       struct envelope *env, const struct doc_vp_config *config,
		       struct err *e);

#endif

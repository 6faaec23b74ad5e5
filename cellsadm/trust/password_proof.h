/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs of the config password (10-policy, Passwords): a protected vp-config
 * can be replaced only by a signer who knows the old password.
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
 * Adds a proof for each protected version that devices can have in force: those
 * signed on this machine, those of --proof-for and, unless --offline, those
 * that the server has. Passwords come from the options or, once, from the
 * terminal. A version that no password matches is named on stderr and gets no
 * proof.
 */
int password_proof_add(struct adm *a, const struct password_proof_request *rq,
		       struct envelope *env, const struct doc_vp_config *config,
		       struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs a document: reads it, checks it, shows the difference to the version
 * that this machine last signed, asks for confirmation, and signs.
 */
#ifndef CELLSADM_TRUST_SIGNING_H
#define CELLSADM_TRUST_SIGNING_H

#include <stdbool.h>

#include "lib/document/doc.h"
#include "lib/opt.h"

struct adm;
struct envelope;
struct err;
struct keyring;

struct signing_options {
	const char *out;	   /* NULL: FILE with .json instead of .xml */
	struct opt_list proof_for; /* older configs, as XML or envelope */
	struct opt_list config_password_files;
	bool offline;	    /* do not ask the server for older configs */
	bool without_proof; /* the config password is lost: by the role root */
	bool again; /* other bytes under a version that was signed before */
};

/* The difference to what was last signed here, on stderr; then asks. */
int signing_confirm(struct adm *a, const struct envelope *env,
		    const struct doc *doc, bool again, struct err *e);

/* All of it, for one file; says on stdout who has signed. */
int signing_sign_file(struct adm *a, const struct signing_options *s,
		      const struct keyring *ring, const char *path,
		      struct err *e);

/* "alice, bob: 2 of 2 signatures for role policy", by the root if known. */
void signing_print_signers(struct adm *a, const char *path,
			   const struct envelope *env, const struct doc *doc);

#endif

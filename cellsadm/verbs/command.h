/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a command or membership or reads it from a file, signs it, submits it
 * to the server, and waits until the device's receipt has arrived and is
 * verified.
 */
#ifndef CELLSADM_VERBS_COMMAND_H
#define CELLSADM_VERBS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/doc.h"

struct adm;
struct err;

struct command_request {
	/* What is wanted. */
	const char *device, *vp, *action; /* action NULL: a membership */
	const char *group;		  /* of a membership, "ID:MIN" */
	const char *after; /* the digest of the one before it; NULL: any */
	/* How. */
	const char *ttl, *epoch, *sealed_key, *recovery_key, *in, *out,
		*timeout;
	bool wait;
	bool any_vp; /* also one that no receipt names */
};

/*
 * Returns an exit code: 0, with `wait` only if the receipt was verified and
 * says that it was done.
 */
int command_run(struct adm *a, const struct command_request *o, struct err *e);

/*
 * Waits for an end state, telling each step on stderr, and verifies the
 * receipt, which must be of that VP (NULL: of none). digest is the document's.
 */
int command_wait(struct adm *a, const char *device, const char *id,
		 const char *vp, const uint8_t digest[32], const char *timeout,
		 struct err *e);

#endif

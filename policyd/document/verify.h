/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device checks before it takes anything, in the command of 10-policy:
 * each kind of envelope has a list of tests, and the first that fails names the
 * reason. Nothing is changed here.
 */
#ifndef POLICYD_DOCUMENT_VERIFY_H
#define POLICYD_DOCUMENT_VERIFY_H

#include "lib/document/trust.h"
#include "policyd/document/snapshot.h"

struct envelope;
struct err;
struct store;

/* What the tests know of the device. Borrowed. */
struct verify_facts {
	const struct doc_root *root;
	struct store *store;
	int64_t now; /* secure time, as it is presumed */
	int64_t confirmed;
	const char *device, *epoch;
	const struct snapshot *snapshot; /* in force; NULL: none */
	const struct snapshot *staged;	 /* NULL: none */
	const struct document_set *in_force;
	const char *window; /* config that may be replaced; "" none */
};

/* What came out; the caller ends it with verify_fini(). */
struct verify {
	const struct verify_facts *facts;
	const struct envelope *env;
	struct doc *doc; /* NULL: a snapshot, or not that far */
	struct snapshot *snapshot;
	bool known;	   /* no news: held already */
	bool new_director; /* of a root */
	bool contradicts;  /* the staged snapshot names it as another one */
};
void verify_fini(struct verify *v);

/* All tests for the envelope's payloadType. 0, or the reason; *ret is ended by
 * the caller either way. */
int verify_envelope(const struct verify_facts *f, const struct envelope *env,
		    struct verify *ret, struct err *e);

/*
 * May this protected config be replaced or removed? By a proof in env (NULL:
 * none), the window, or the root's threshold. err.password.
 */
int verify_protection(const struct verify_facts *f,
		      const struct doc_vp_config *held,
		      const struct envelope *env, struct err *e);

/* The version of images' min-agent that this program is. */
#define VERIFY_AGENT_VERSION 1

#endif

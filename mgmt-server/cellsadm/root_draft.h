/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root document under construction: from nothing or from the version before,
 * changed by options, written as XML.
 */
#ifndef CELLSADM_ROOT_DRAFT_H
#define CELLSADM_ROOT_DRAFT_H

#include "lib/doc.h"

struct adm;
struct err;

struct rootdraft {
	char org[DOC_ID_SIZE];
	uint32_t version;
	int64_t issued, expires;
	unsigned int n_keys, n_cas;
	struct doc_key key[DOC_KEYS_MAX];
	struct {
		unsigned int threshold; /* 0: nobody has the role */
		uint64_t members;
	} role[DOC_ROLE_COUNT];
	uint8_t ca[DOC_CAS_MAX][HASH_SIZE];
	struct key *recovery;
};

/* The keys, roles and CAs of the version before; version + 1. */
int rootdraft_follow(struct rootdraft *d, const struct doc_root *old,
		     struct err *e);
void rootdraft_fini(struct rootdraft *d);

/* "alice=alice.pem": adds the key, or replaces the one of that name. */
int rootdraft_key(struct rootdraft *d, const struct adm *a, const char *spec,
		  struct err *e);
/* The same with the key at hand. */
int rootdraft_add_key(struct rootdraft *d, const char *name, const void *spki,
		      size_t len, struct err *e);
/* Takes a key out of the root and of every role. */
int rootdraft_remove_key(struct rootdraft *d, const char *name, struct err *e);
/*
 * "policy=alice,bob,carol:2"; without a number 1. A name that is no key of the
 * draft is taken as a kept key or a file, and added.
 */
int rootdraft_role(struct rootdraft *d, const struct adm *a, const char *spec,
		   struct err *e);
/* Gives a key a role that it did not have. */
int rootdraft_grant(struct rootdraft *d, const char *role, const char *name,
		    struct err *e);
/* A PEM certificate's file, or its digest. */
int rootdraft_ca(struct rootdraft *d, const char *spec, bool remove,
		 struct err *e);
int rootdraft_recovery(struct rootdraft *d, const struct adm *a,
		       const char *name, struct err *e);

/* The XML, which the caller frees; it has passed doc_parse(). */
int rootdraft_xml(const struct rootdraft *d, char **ret, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A draft of a root document: empty or copied from the previous version,
 * changed by options, written as XML.
 */
#ifndef CELLSADM_DOCUMENTS_ROOT_DRAFT_H
#define CELLSADM_DOCUMENTS_ROOT_DRAFT_H

#include "lib/document/doc.h"

struct adm;
struct err;

struct root_draft {
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
int root_draft_load_previous(struct root_draft *d, const struct doc_root *old,
			     struct err *e);
void root_draft_fini(struct root_draft *d);

/* "alice=alice.pem": adds the key, or replaces the one of that name. */
int root_draft_add_key_file(struct root_draft *d, const struct adm *a,
			    const char *spec, struct err *e);
/* The same with the key at hand. */
int root_draft_add_key(struct root_draft *d, const char *name, const void *spki,
		       size_t len, struct err *e);
/* Takes a key out of the root and of every role. */
int root_draft_remove_key(struct root_draft *d, const char *name,
			  struct err *e);
/*
 * "policy=alice,bob,carol:2"; without a number 1. A name that is not a key of
 * the draft is taken as a kept key or a file, and added.
 */
int root_draft_set_role(struct root_draft *d, const struct adm *a,
			const char *spec, struct err *e);
/* Gives a key a role that it did not have. */
int root_draft_grant_role(struct root_draft *d, const char *role,
			  const char *name, struct err *e);
/* A PEM certificate's file, or its digest. */
int root_draft_update_ca(struct root_draft *d, const char *spec, bool remove,
			 struct err *e);
int root_draft_set_recovery(struct root_draft *d, const struct adm *a,
			    const char *name, struct err *e);

/* The XML, which the caller frees; it has passed doc_parse(). */
int root_draft_build_xml(const struct root_draft *d, char **ret, struct err *e);

#endif

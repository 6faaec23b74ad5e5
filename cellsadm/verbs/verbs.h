/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of cellsadm: "key new NAME" and so on, each with its options and
 * the function that does it. Help, completion and the manual's check follow
 * from the tables (lib/verb.h).
 */
#ifndef CELLSADM_VERBS_VERBS_H
#define CELLSADM_VERBS_VERBS_H

#include "lib/verb.h"

/* Which of the options that several verbs share a verb takes. */
enum verb_flags {
	VERB_SERVER = 1,    /* --server */
	VERB_FORMAT = 2,    /* --format */
	VERB_YES = 4,	    /* --yes */
	VERB_KEYS = 8,	    /* --key, --password-file, --password-stdin */
	VERB_PASSWORD = 16, /* --password-file, --password-stdin */
	VERB_ROOT = 32,	    /* --root */
};

/*
 * Each noun's verbs are a table, verb_NOUN_table: in verb_NOUN.c, or beside a
 * noun that it belongs to. Their context is a struct adm.
 */
#define VERB_NOUNS(X)                                                          \
	X(key)                                                                 \
	X(root)                                                                \
	X(doc)                                                                 \
	X(plan)                                                                \
	X(group)                                                               \
	X(device)                                                              \
	X(vp)                                                                  \
	X(action)                                                              \
	X(enroll)                                                              \
	X(access)                                                              \
	X(image)                                                               \
	X(audit) X(events) X(receipt) X(user) X(token) X(server) X(version)
#define VERB_DECLARE(noun) extern const struct verb verb_##noun##_table[];
VERB_NOUNS(VERB_DECLARE)
#undef VERB_DECLARE

/* All of them, by noun; its context is a struct adm. */
const struct verb_program *verbs_get_program(void);

/* What main() returns. */
int verbs_main(int argc, char **argv);

#endif

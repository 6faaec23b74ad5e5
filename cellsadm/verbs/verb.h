/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of cellsadm as one table: "key new NAME" and so on, each with its
 * options and the function that does it. Help, completion and the manual's
 * check follow from the table.
 */
#ifndef CELLSADM_VERBS_VERB_H
#define CELLSADM_VERBS_VERB_H

#include <stddef.h>

#include "lib/opt.h"

struct adm;
struct err;

/* Which of the options that several verbs share a verb takes. */
enum verb_flags {
	VERB_SERVER = 1,    /* --server */
	VERB_FORMAT = 2,    /* --format */
	VERB_YES = 4,	    /* --yes */
	VERB_KEYS = 8,	    /* --key, --password-file, --password-stdin */
	VERB_PASSWORD = 16, /* --password-file, --password-stdin */
	VERB_ROOT = 32,	    /* --root */
};

struct verb {
	const char *noun, *name;
	const char *args; /* "DEVICE VP" */
	int min_args, max_args;
	const char *summary;
	unsigned int flags;
	/* `value` holds the offset in a zeroed struct of `size` bytes. */
	const struct opt *opts;
	size_t size;
	/*
	 * argv ends with NULL. Returns the exit code, or a negative errno with
	 * e filled.
	 */
	int (*run)(struct adm *a, const void *opts, char **argv, struct err *e);
};

/* An option whose value is a member of the verb's struct. */
#define VERB_OPT(type, member, name, letter, kind, arg, help)                  \
	{                                                                      \
		(name), (letter), (kind), (void *)offsetof(type, member),      \
			(arg), (help)                                          \
	}

/*
 * Each noun's verbs are a table that a NULL noun ends, verb_NOUN_table: in
 * verb_NOUN.c, or beside a noun that it belongs to.
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

/* The i-th of all verbs; NULL: there are no more. */
const struct verb *verb_at(unsigned int i);

/* Finds, parses and does. Returns what main() returns. */
int verb_main(int argc, char **argv);

#endif

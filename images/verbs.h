/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said to cells-image, as tables (lib/verb.h). */
#ifndef IMAGES_VERBS_H
#define IMAGES_VERBS_H

#include "lib/verb.h"

/* Which of the options that several verbs share a verb takes. */
enum { VERBS_FORMAT = 1, VERBS_SERVER = 2 };

/* The context of the verbs: what the shared options say. */
struct verbs_context {
	bool json;
	const char *server, *config; /* NULL: the default ones */
};

/* build_verb.c, local_verbs.c, remote_verbs.c */
extern const struct verb verbs_build_table[], verbs_local_table[],
	verbs_remote_table[];

/* What main() returns. */
int verbs_main(int argc, char **argv);

#endif

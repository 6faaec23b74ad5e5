/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes: programs that make a root file system. One is run as
 *   RECIPE FOLDER
 * with its settings in the environment (RECIPE_<NAME>), and leaves in FOLDER
 * root/ or root.tar, and recipe.conf (init, stop-signal).
 */
#ifndef IMAGES_RECIPE_H
#define IMAGES_RECIPE_H

struct err;
struct opt_list;

struct recipe {
	char *input; /* root or root.tar */
	char *init, *stop_signal;
};

/* `folder` exists and is empty; `where` NULL: the installed recipes. */
int recipe_run(const char *name, const char *where, const char *folder,
	       const char *architecture, const struct opt_list *settings,
	       const char *log, struct recipe *ret, struct err *e);
void recipe_fini(struct recipe *r);

#endif

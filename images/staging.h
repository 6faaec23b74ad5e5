/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output folder while it is being made, as NAME.part beside NAME: nobody
 * sees half an image, and what a killed build left is taken away by the next.
 */
#ifndef IMAGES_STAGING_H
#define IMAGES_STAGING_H

#include <stdbool.h>

struct draft;
struct err;

/*
 * Begins to make the folder `path`. With `replace` it may exist, if it is an
 * image. -EEXIST: it does; -EBUSY: somebody else is making it now.
 */
int draft_new(const char *path, bool replace, struct draft **ret,
	      struct err *e);
/* Removes what is not committed. */
void draft_free(struct draft *d);

/* A path in it, which the caller frees. NULL: no memory. */
char *draft_path(const struct draft *d, const char *name);

/* Removes a folder of it with all it holds. */
int draft_remove(const struct draft *d, const char *name, struct err *e);

/* Makes it durable and gives it its name. */
int draft_commit(struct draft *d, struct err *e);

static inline void draft_freep(struct draft **d)
{
	draft_free(*d);
}

#endif

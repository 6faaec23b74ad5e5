/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output folder while it is built, as NAME.part beside NAME, so that nobody
 * sees an incomplete image. The next build removes what an interrupted build
 * left.
 */
#ifndef IMAGES_STAGING_H
#define IMAGES_STAGING_H

#include <stdbool.h>

struct staging;
struct err;

/*
 * Begins to make the folder `path`. With `replace` it may exist, if it is an
 * image. -EEXIST: it does; -EBUSY: somebody else is making it now.
 */
int staging_new(const char *path, bool replace, struct staging **ret,
		struct err *e);
/* Removes what is not committed. */
void staging_free(struct staging *d);

/* A path in it, which the caller frees. NULL: no memory. */
char *staging_path(const struct staging *d, const char *name);

/* Removes a folder of it with all it holds. */
int staging_remove(const struct staging *d, const char *name, struct err *e);

/* Makes it durable and gives it its name. */
int staging_commit(struct staging *d, struct err *e);

static inline void staging_freep(struct staging **d)
{
	staging_free(*d);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers that cellsd holds: EROFS images, each mounted once, so that all
 * VPs on it share one page cache.
 */
#ifndef CELLSD_LAYER_H
#define CELLSD_LAYER_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct layers;

/* Mounts go below the open directory, which the set borrows. */
int layers_new(int dir, struct layers **ret, struct err *e);
void layers_free(struct layers *l);

/*
 * Takes a descriptor that is open read-only on a regular file with an EROFS
 * image; keeps a copy. A digest that is held already is no news. -EINVAL.
 */
int layers_add(struct layers *l, const char *digest, int fd, struct err *e);
bool layers_have(const struct layers *l, const char *digest);
/* -ENOENT. */
int layers_drop(struct layers *l, const char *digest, struct err *e);

/* Calls fn for each digest. */
void layers_each(const struct layers *l, void (*fn)(void *arg, const char *),
		 void *arg);

/* A detached clone of the layer's mount (read-only, nodev). -ENOENT. */
int layers_clone(struct layers *l, const char *digest, int *ret, struct err *e);

static inline void layers_freep(struct layers **l)
{
	layers_free(*l);
}

#endif

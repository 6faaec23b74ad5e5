/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers that cellsd holds: EROFS images, each mounted once, so that all
 * VPs on it share one page cache.
 */
#ifndef CELLSD_CONTAINER_LAYER_H
#define CELLSD_CONTAINER_LAYER_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct layer_set;

/* Mounts go below the open directory, which the set borrows. */
int layer_set_new(int dir, struct layer_set **ret, struct err *e);
void layer_set_free(struct layer_set *l);

/*
 * Takes a descriptor that is open read-only on a regular file with an EROFS
 * image; keeps a copy. A digest that is held already changes nothing. -EINVAL.
 */
int layer_set_add(struct layer_set *l, const char *digest, int fd,
		  struct err *e);
bool layer_set_has(const struct layer_set *l, const char *digest);
/* -ENOENT. */
int layer_set_remove(struct layer_set *l, const char *digest, struct err *e);

/* Calls fn for each digest. */
void layer_set_each(const struct layer_set *l,
		    void (*fn)(void *arg, const char *), void *arg);

/* A detached clone of the layer's mount (read-only, nodev). -ENOENT. */
int layer_set_clone_mount(struct layer_set *l, const char *digest, int *ret,
			  struct err *e);

static inline void layer_set_freep(struct layer_set **l)
{
	layer_set_free(*l);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* All that lies in a folder, by fts(3). Links are not followed. */
#ifndef IMAGES_TREE_WALK_H
#define IMAGES_TREE_WALK_H

#include <fts.h>

struct err;

/* The caller ends it with walk_close(). */
int walk_open(const char *folder, FTS **ret, struct err *e);

/* 1: *ret is the next entry, until the call after this one; a folder comes
 * before what it holds (FTS_D) and after it (FTS_DP). 0: there are no more.
 * <0: one cannot be read. */
int walk_next(FTS *walk, FTSENT **ret, struct err *e);

/* A cleanup function: AUTO(walk_close). */
void walk_close(FTS **walk);

#endif

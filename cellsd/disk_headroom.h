/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the disk that the VPs' data is on. Data that nobody has set storage
 * aside for may fill it; before it does, the VPs that go on writing are held
 * up: frozen, until there is room again. A disk that is full would break the
 * file systems of other VPs, and keep the daemons from writing down what they
 * do.
 */
#ifndef CELLSD_DISK_HEADROOM_H
#define CELLSD_DISK_HEADROOM_H

struct err;
struct headroom;
struct host;
struct vp;

int headroom_new(struct host *h, struct headroom **ret, struct err *e);
void headroom_free(struct headroom *r);

/* Lets a VP go on, as it is to end in order. */
void headroom_let_go(struct vp *v);

static inline void headroom_freep(struct headroom **r)
{
	headroom_free(*r);
}

#endif

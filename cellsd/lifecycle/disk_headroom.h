/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the disk that the VPs' data is on. Data that nobody has set storage
 * aside for may fill it; before it does, the VPs that go on writing are held
 * up: frozen, until there is room again. A disk that is full would break the
 * file systems of other VPs, and keep the daemons from writing down what they
 * do.
 */
#ifndef CELLSD_LIFECYCLE_DISK_HEADROOM_H
#define CELLSD_LIFECYCLE_DISK_HEADROOM_H

struct err;
struct disk_headroom;
struct host;
struct vp;

int disk_headroom_new(struct host *h, struct disk_headroom **ret,
		      struct err *e);
void disk_headroom_free(struct disk_headroom *r);

/* Lets a VP go on, as it is to end in order. */
void disk_headroom_thaw_vp(struct vp *v);

static inline void disk_headroom_freep(struct disk_headroom **r)
{
	disk_headroom_free(*r);
}

#endif

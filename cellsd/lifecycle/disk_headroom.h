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

#include <systemd/sd-event.h>

struct err;
struct disk_headroom;
struct host_callbacks;
struct vp;
struct vp_data;
struct vp_table;

int disk_headroom_new(const struct vp_table *vps, struct vp_data *data,
		      const struct host_callbacks *callbacks, sd_event *loop,
		      struct disk_headroom **ret, struct err *e);
void disk_headroom_free(struct disk_headroom *r);

/* Lets a VP go on, as it is to end in order. */
void disk_headroom_thaw_vp(struct vp *v);

static inline void disk_headroom_freep(struct disk_headroom **r)
{
	disk_headroom_free(*r);
}

#endif

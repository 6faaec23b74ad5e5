/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/disk_headroom.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/timer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>

#define LOOK_MS 1000
#define CLOSE_LOOK_MS 50 /* near the end */
#define FREEZE_MS 50
#define PART 32			   /* of the disk, which stays free */
#define LEAST (UINT64_C(64) << 20) /* more than waits to be written */
#define MOST (UINT64_C(1) << 30)

struct disk_headroom {
	const struct vp_table *vps;
	struct vp_data *vp_data;
	const struct host_callbacks *callbacks;
	sd_event_source *on_time;
};

struct disk_space {
	uint64_t free, low; /* bytes */
};

static int read_disk_space(const struct vp_data *data, struct disk_space *ret)
{
	struct statvfs fs;

	if (fstatvfs(vp_data_get_folder(data), &fs) < 0)
		return -errno;
	ret->free = (uint64_t)fs.f_bavail * fs.f_frsize;
	ret->low = (uint64_t)fs.f_blocks * fs.f_frsize / PART;
	if (ret->low < LEAST)
		ret->low = LEAST;
	if (ret->low > MOST)
		ret->low = MOST;
	return 0;
}

static void freeze_writing_vp(const struct disk_headroom *d, struct vp *v,
			      const struct disk_space *room)
{
	log_error("VP %s is held up: the disk has %llu bytes left, and it goes "
		  "on writing",
		  v->name, (unsigned long long)room->free);
	/* What does not freeze at once does so later. */
	cgroup_freeze(v->run->cgroup, FREEZE_MS);
	v->run->is_frozen = true;
	d->callbacks->changed(d->callbacks->arg, v->name, v->state,
			      "storage-full");
}

void disk_headroom_thaw_vp(struct vp *v)
{
	if (!v->run || !v->run->is_frozen)
		return;
	v->run->is_frozen = false;
	cgroup_thaw(v->run->cgroup);
}

static void update_vp_usage(const struct disk_headroom *d, struct vp *v,
			    const struct disk_space *room)
{
	struct vp_run *run = v->run;
	uint64_t taken, before = run->disk_usage;
	struct vp_data_info data;
	bool grows = vp_data_can_grow(d->vp_data, v, &taken);

	run->disk_usage = taken;
	if (!run->is_frozen && grows && room->free < room->low &&
	    (taken > before || taken == 0))
		freeze_writing_vp(d, v, room);
	if (run->is_frozen && room->free > 2 * room->low) {
		disk_headroom_thaw_vp(v);
		log_info("VP %s goes on: the disk has room again", v->name);
		d->callbacks->changed(d->callbacks->arg, v->name, v->state,
				      "storage-free");
	}
	vp_data_get_info(d->vp_data, v, &data);
	if (data.damaged && !run->reported_damaged) {
		log_error("VP %s: its file system has an error; it is mended "
			  "at its next start",
			  v->name);
		d->callbacks->changed(d->callbacks->arg, v->name, v->state,
				      "damaged");
	}
	run->reported_damaged = data.damaged;
}

static int on_check_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	const struct disk_headroom *d = arg;
	struct disk_space room = { UINT64_MAX, 0 };
	uint64_t ms;

	if (read_disk_space(d->vp_data, &room) < 0)
		log_debug("the disk of the VPs' data cannot be looked at");
	ms = room.free < 4 * room.low ? CLOSE_LOOK_MS : LOOK_MS;
	for (unsigned int i = 0; i < d->vps->n; i++)
		if (d->vps->vp[i]->run && d->vps->vp[i]->run->cgroup >= 0)
			update_vp_usage(d, d->vps->vp[i], &room);
	return timer_start(s, ms * 1000);
}

int disk_headroom_new(const struct vp_table *vps, struct vp_data *data,
		      const struct host_callbacks *callbacks, sd_event *loop,
		      struct disk_headroom **ret, struct err *e)
{
	AUTO(disk_headroom_freep)
	struct disk_headroom *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_oom(e, "watch the disk");
	n->vps = vps;
	n->vp_data = data;
	n->callbacks = callbacks;
	r = timer_new(loop, CLOCK_MONOTONIC, on_check_timer, n, &n->on_time);
	if (r == 0)
		r = timer_start(n->on_time, LOOK_MS * 1000);
	if (r < 0)
		return err_sys(e, -r, "watch the disk");
	*ret = steal(n);
	return 0;
}

void disk_headroom_free(struct disk_headroom *r)
{
	if (!r)
		return;
	sd_event_source_disable_unref(r->on_time);
	free(r);
}

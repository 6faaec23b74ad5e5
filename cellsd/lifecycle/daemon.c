/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/daemon.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/container/confinement.h"
#include "cellsd/container/ksm.h"
#include "cellsd/container/layer.h"
#include "cellsd/container/rootfs.h"
#include "cellsd/device/hardware.h"
#include "cellsd/lifecycle/disk_headroom.h"
#include "cellsd/lifecycle/foreground.h"
#include "cellsd/lifecycle/foreground_socket.h"
#include "cellsd/lifecycle/host.h"
#include "cellsd/lifecycle/hotplug.h"
#include "cellsd/lifecycle/idle.h"
#include "cellsd/lifecycle/key_eviction.h"
#include "cellsd/lifecycle/launch.h"
#include "cellsd/lifecycle/module_autoload.h"
#include "cellsd/lifecycle/operations.h"
#include "cellsd/lifecycle/prestart.h"
#include "cellsd/lifecycle/psi.h"
#include "cellsd/lifecycle/running.h"
#include "cellsd/storage/vp_data.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_SIZE 64
#define FLUSH_MS 1100

/* ---- events of the backend */

static void on_backend_event(void *arg, const struct backend_event *ev)
{
	struct host *h = arg;
	const char *name = "";

	if (strcmp(ev->event, BACKEND_HOTKEY) == 0) {
		h->has_combo = true;
		h->combo = ev->count;
		return;
	}
	for (unsigned int i = 0; i < h->vp_table->n; i++)
		if (ev->vp && h->vp_table->vp[i]->number == ev->vp)
			name = h->vp_table->vp[i]->name;
	if (!ev->classes)
		h->watch.event(h->watch.arg, ev->event, name, CELLS_CLASS_COUNT,
			       ev, "");
	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		if (ev->classes >> c & 1)
			h->watch.event(h->watch.arg, ev->event, name,
				       (enum cells_class)c, ev, "");
}

static int on_backend_readable(sd_event_source *s, int fd, uint32_t events,
			       void *arg)
{
	struct host *h = arg;

	h->backend_type->drain(h->backend, on_backend_event, h);
	/* Not while events are drained: a switch makes some of its own. */
	if (h->has_combo)
		foreground_handle_hotkey(h, h->combo);
	h->has_combo = false;
	return timer_start(h->on_flush, FLUSH_MS * 1000);
}

static int on_flush_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct host *h = arg;

	if (!h->backend_type->flush(h->backend, on_backend_event, h))
		return 0;
	return timer_start(s, FLUSH_MS * 1000);
}

/* ---- open */

static int read_boot_id(char ret[BOOT_SIZE], struct err *e)
{
	auto_close int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, BOOT_SIZE - 1);

	if (n < 0)
		return err_sys(e, errno, "read " BOOT_ID);
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

static int open_vp_table(struct host *h, struct err *e)
{
	auto_free char *path = io_join(h->options.state_dir, "log");
	char boot[BOOT_SIZE];
	int r;

	if (!path)
		return err_oom(e, "open the log");
	r = io_mkdirs(h->options.state_dir, 0700, e);
	if (r == 0)
		r = read_boot_id(boot, e);
	return r < 0 ? r : vp_table_open(path, boot, &h->vp_table, e);
}

static int open_rootfs_stage(struct host *h, struct err *e)
{
	auto_free char *path = io_join(h->options.run_dir, "stage");
	int r = path ? io_mkdirs(path, 0711, e) : err_oom(e, "stage");

	if (r == 0)
		r = rootfs_create_stage(path, &h->stage, e);
	if (r < 0)
		return r;
	h->layers_dir =
		openat(h->stage, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->layers_dir < 0)
		return err_sys(e, errno, "open %s/layers", path);
	return layer_set_new(h->layers_dir, &h->layers, e);
}

static const struct backend_type *const backends[] = { &backend_devns_type,
						       &backend_cgroup_type };

/* By name; or the first that this kernel has what it takes for. */
static int open_device_backend(struct host *h, const struct backend_vp *vps,
			       unsigned int n, struct err *e)
{
	const char *name = h->options.backend;
	bool any = strcmp(name, "auto") == 0;
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(backends); i++) {
		if (!any && strcmp(name, backends[i]->name) != 0)
			continue;
		h->backend_type = backends[i];
		r = backends[i]->make(vps, n, &h->backend, e);
	}
	if (r == 0)
		log_info("device backend %s", h->backend_type->name);
	return r;
}

static int adopt_vps_and_open_backend(struct host *h, struct err *e)
{
	struct backend_vp vps[VPS_MAX];
	unsigned int n = 0;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < h->vp_table->n; i++) {
		if (h->vp_table->vp[i]->prepared)
			launch_remove_stale(h, h->vp_table->vp[i]);
		if (h->vp_table->vp[i]->run)
			r = running_adopt_vp(h, h->vp_table->vp[i], e);
	}
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < h->vp_table->n; i++)
		if (h->vp_table->vp[i]->run)
			vps[n++] = vp_get_backend_vp(h->vp_table->vp[i]);
	r = open_device_backend(h, vps, n, e);
	return r == 0 ? hotplug_open(h, e) : r;
}

static int listen_for_events(struct host *h, struct err *e)
{
	sd_event *loop = h->options.loop;
	int r;

	r = sd_event_add_io(loop, &h->on_events,
			    h->backend_type->fd(h->backend), EPOLLIN,
			    on_backend_readable, h);
	if (r >= 0)
		r = timer_new(loop, CLOCK_MONOTONIC, on_flush_timer, h,
			      &h->on_flush);
	if (r >= 0)
		r = timer_start(h->on_flush, FLUSH_MS * 1000);
	return r < 0 ? err_sys(e, -r, "listen to the kernel")
		     : hotplug_listen(h, e);
}

/* Its key went with the last daemon or with the power, and only a passcode or
 * the organisation brings it back. */
static int lock_vp_without_key(struct host *h, struct vp *v, struct err *e)
{
	if ((v->state != VP_STATE_STOPPED && v->state != VP_STATE_INSTALLED) ||
	    vp_data_can_open(h->vpdata, v))
		return 0;
	return vp_table_apply_event(h->vp_table, v, VP_EVENT_LOCK, e);
}

/* What was under way when the last daemon ended goes on. */
static int resume_vps_after_restart(struct host *h, struct err *e)
{
	uint64_t ns;

	for (unsigned int i = 0; i < h->vp_table->n; i++) {
		struct vp *v = h->vp_table->vp[i];
		int r = 0;

		if (v->run) {
			vp_data_adopt(h->vpdata, v);
			r = running_resume_vp(h, v, e);
		}
		if (r < 0)
			return r;
		if (!v->run && (v->state == VP_STATE_WIPING ||
				v->state == VP_STATE_LOCKED))
			key_eviction_start(h, v);
		if (!v->run)
			r = lock_vp_without_key(h, v, e);
		if (r < 0)
			return r;
	}
	foreground_apply_access(h, "restart", &h->switched, &ns);
	foreground_revoke_handles(h, "restart");
	/* Hardware may have come or gone, or the backend be another one. */
	for (unsigned int i = 0; i < h->vp_table->n; i++)
		hotplug_refresh_vp(h, h->vp_table->vp[i]);
	return 0;
}

int daemon_open(const struct host_options *o, const struct host_callbacks *w,
		struct host **ret, struct err *e)
{
	AUTO(daemon_closep) struct host *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_oom(e, "open the device");
	h->options = *o;
	h->watch = *w;
	h->stage = h->layers_dir = h->cgroup = -1;
	r = cgroup_root_open(o->cgroup_root, &h->cgroup, e);
	if (r == 0)
		r = open_vp_table(h, e);
	if (r == 0)
		r = open_rootfs_stage(h, e);
	/* In the new mount namespace: a mount of the old cannot be cloned. */
	if (r == 0)
		r = vp_data_new(o->state_dir, h->stage, &h->vpdata, e);
	if (r == 0)
		r = confinement_new(&h->confinement, e);
	if (r == 0)
		r = module_autoload_new(h, &h->module_autoload, e);
	if (r == 0)
		r = net_new(&o->net, o->run_dir, h->vp_table, o->loop, &h->net,
			    e);
	if (r == 0)
		r = adopt_vps_and_open_backend(h, e);
	if (r == 0)
		net_remove_stale(h->net);
	if (r == 0)
		r = psi_new(h, o->pressure_ms, &h->pressure, e);
	if (r == 0)
		r = disk_headroom_new(h, &h->disk_headroom, e);
	if (r == 0 && o->merge)
		r = ksm_new(o->run_dir, o->loop, &h->merge, e);
	if (r == 0)
		r = listen_for_events(h, e);
	if (r == 0)
		r = idle_new(h, operations_lock_idle_vp, &h->idle, e);
	if (r == 0)
		idle_watch_inputs(h->idle);
	if (r == 0)
		r = resume_vps_after_restart(h, e);
	if (r == 0)
		r = module_autoload_resume(h, e);
	if (r == 0)
		r = prestart_new(h, (unsigned int)o->prepared_starts,
				 &h->prepared, e);
	if (r < 0)
		return r;
	*ret = steal(h);
	return 0;
}

void daemon_close(struct host *h)
{
	if (!h)
		return;
	sd_event_source_disable_unref(h->on_events);
	sd_event_source_disable_unref(h->on_flush);
	sd_event_source_disable_unref(h->on_hotplug);
	sd_event_source_disable_unref(h->on_settled);
	prestart_free(h->prepared);
	idle_free(h->idle);
	disk_headroom_free(h->disk_headroom);
	psi_free(h->pressure);
	ksm_free(h->merge);
	module_autoload_free(h->module_autoload);
	for (unsigned int i = 0; h->vp_table && i < h->vp_table->n; i++)
		if (h->vp_table->vp[i]->run)
			foreground_socket_close(steal(
				h->vp_table->vp[i]->run->foreground_socket));
	vp_table_free(h->vp_table);
	hardware_free(h->hardware);
	if (h->backend)
		h->backend_type->free(h->backend);
	confinement_free(h->confinement);
	layer_set_free(h->layers);
	vp_data_free(h->vpdata);
	net_free(h->net);
	free(h->nodes);
	auto_closep(&h->stage);
	auto_closep(&h->layers_dir);
	cgroup_root_close(h->cgroup, h->options.cgroup_root);
	free(h);
}

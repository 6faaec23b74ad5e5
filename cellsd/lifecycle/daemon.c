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
#include "cellsd/lifecycle/unsupported.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/vp_table.h"
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
		h->has_hotkey = true;
		h->hotkey = ev->count;
		return;
	}
	for (unsigned int i = 0; i < h->vps->n; i++)
		if (ev->vp && h->vps->vp[i]->number == ev->vp)
			name = h->vps->vp[i]->name;
	if (!ev->classes)
		h->callbacks.event(h->callbacks.arg, ev->event, name,
				   CELLS_CLASS_COUNT, ev, "");
	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		if (ev->classes >> c & 1)
			h->callbacks.event(h->callbacks.arg, ev->event, name,
					   (enum cells_class)c, ev, "");
}

static int on_backend_readable(sd_event_source *s, int fd, uint32_t events,
			       void *arg)
{
	struct host *h = arg;

	h->device.type->drain(h->device.backend, on_backend_event, h);
	/* Not while events are drained: a switch makes some of its own. */
	if (h->has_hotkey)
		foreground_handle_hotkey(&h->foreground, h->hotkey);
	h->has_hotkey = false;
	return timer_start(h->on_flush, FLUSH_MS * 1000);
}

static int on_flush_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct host *h = arg;

	if (!h->device.type->flush(h->device.backend, on_backend_event, h))
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
	return r < 0 ? r : vp_table_open(path, boot, &h->vps, e);
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
		h->device.type = backends[i];
		r = backends[i]->make(vps, n, &h->device.backend, e);
	}
	if (r == 0)
		log_info("device backend %s", h->device.type->name);
	return r;
}

static int adopt_vps_and_open_backend(struct host *h, struct err *e)
{
	struct backend_vp vps[VPS_MAX];
	unsigned int n = 0;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < h->vps->n; i++) {
		if (h->vps->vp[i]->prepared)
			launch_remove_stale(&h->launch, h->vps->vp[i]);
		if (h->vps->vp[i]->run)
			r = running_adopt_vp(&h->running, h->vps->vp[i], e);
	}
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < h->vps->n; i++)
		if (h->vps->vp[i]->run)
			vps[n++] = vp_get_backend_vp(h->vps->vp[i]);
	r = open_device_backend(h, vps, n, e);
	return r == 0 ? hotplug_open(&h->hotplug, e) : r;
}

static int listen_for_events(struct host *h, struct err *e)
{
	sd_event *loop = h->options.loop;
	int r;

	r = sd_event_add_io(loop, &h->on_events,
			    h->device.type->fd(h->device.backend), EPOLLIN,
			    on_backend_readable, h);
	if (r >= 0)
		r = timer_new(loop, CLOCK_MONOTONIC, on_flush_timer, h,
			      &h->on_flush);
	if (r >= 0)
		r = timer_start(h->on_flush, FLUSH_MS * 1000);
	return r < 0 ? err_sys(e, -r, "listen to the kernel")
		     : hotplug_listen(&h->hotplug, e);
}

/* Its key went with the last daemon or with the power, and only a passcode or
 * the organisation brings it back. */
static int lock_vp_without_key(struct host *h, struct vp *v, struct err *e)
{
	if ((v->state != VP_STATE_STOPPED && v->state != VP_STATE_INSTALLED) ||
	    vp_data_can_open(h->vp_data, v))
		return 0;
	return vp_table_apply_event(h->vps, v, VP_EVENT_LOCK, e);
}

/* What was under way when the last daemon ended goes on. */
static int resume_vps_after_restart(struct host *h, struct err *e)
{
	uint64_t ns;

	for (unsigned int i = 0; i < h->vps->n; i++) {
		struct vp *v = h->vps->vp[i];
		int r = 0;

		if (v->run) {
			vp_data_adopt(h->vp_data, v);
			r = running_resume_vp(&h->running, v, e);
		}
		if (r < 0)
			return r;
		if (!v->run && (v->state == VP_STATE_WIPING ||
				v->state == VP_STATE_LOCKED))
			key_eviction_start(&h->key_eviction, v);
		if (!v->run)
			r = lock_vp_without_key(h, v, e);
		if (r < 0)
			return r;
	}
	foreground_apply_access(&h->foreground, "restart",
				&h->foreground.switched, &ns);
	foreground_revoke_handles(&h->foreground, "restart");
	/* Hardware may have come or gone, or the backend be another one. */
	for (unsigned int i = 0; i < h->vps->n; i++)
		hotplug_refresh_vp(&h->device, h->vps->vp[i]);
	return 0;
}

/* Gives each part what it needs of the others. */
static void connect_parts(struct host *h)
{
	h->foreground = (struct foreground){
		.vps = h->vps,
		.device = &h->device,
		.callbacks = &h->callbacks,
		.idle = h->idle,
		.loop = h->options.loop,
	};
	h->hotplug = (struct hotplug){
		.profile = h->options.profile,
		.vps = h->vps,
		.device = &h->device,
		.foreground = &h->foreground,
		.idle = h->idle,
		.loop = h->options.loop,
	};
	h->launch = (struct launch){
		.vps = h->vps,
		.layers = h->layers,
		.vp_data = h->vp_data,
		.net = h->net,
		.confinement = h->confinement,
		.device = &h->device,
		.foreground = &h->foreground,
		.stage = h->stage,
		.cgroup = h->cgroup,
		.has_ksm = h->ksm != NULL,
	};
	h->erase = (struct erase){
		.vps = h->vps,
		.vp_data = h->vp_data,
		.callbacks = &h->callbacks,
		.loop = h->options.loop,
	};
	h->key_eviction = (struct key_eviction){
		.vps = h->vps,
		.vp_data = h->vp_data,
		.prestart = h->prestart,
		.erase = &h->erase,
		.loop = h->options.loop,
	};
	h->running = (struct running){
		.launch = &h->launch,
		.foreground = &h->foreground,
		.key_eviction = &h->key_eviction,
		.prestart = h->prestart,
		.module_autoload = h->module_autoload,
		.ksm = h->ksm,
		.callbacks = &h->callbacks,
		.loop = h->options.loop,
		.stop_ms = h->options.stop_ms,
	};
	h->operations.launch = &h->launch;
	h->operations.running = &h->running;
	h->operations.foreground = &h->foreground;
	h->operations.key_eviction = &h->key_eviction;
	h->operations.prestart = h->prestart;
	h->operations.callbacks = &h->callbacks;
}

/* What the parts below work on; no VP is touched. */
static int open_parts(struct host *h, struct err *e)
{
	const struct host_options *o = &h->options;
	struct idle_options idle = {
		.callbacks = &h->callbacks,
		.lock = operations_lock_idle_vp,
		.arg = &h->operations,
	};
	int r = cgroup_root_open(o->cgroup_root, &h->cgroup, e);

	if (r == 0)
		r = open_vp_table(h, e);
	if (r == 0)
		r = open_rootfs_stage(h, e);
	/* In the new mount namespace: a mount of the old cannot be cloned. */
	if (r == 0)
		r = vp_data_new(o->state_dir, h->stage, &h->vp_data, e);
	if (r == 0)
		r = confinement_new(&h->confinement, e);
	if (r == 0)
		r = module_autoload_new(o->run_dir, o->load_modules, h->vps,
					&h->module_autoload, e);
	if (r == 0)
		r = net_new(&o->net, o->run_dir, h->vps, o->loop, &h->net, e);
	if (r == 0 && o->merge)
		r = ksm_new(o->run_dir, o->loop, &h->ksm, e);
	idle.vps = h->vps;
	if (r == 0)
		r = idle_new(&idle, o->loop, &h->idle, e);
	if (r == 0)
		r = prestart_new(&h->launch, o->loop,
				 (unsigned int)o->prepared_starts, &h->prestart,
				 e);
	return r;
}

static int open_memory_and_disk_watch(struct host *h, struct err *e)
{
	const struct psi_options o = {
		.stall_ms = h->options.pressure_ms,
		.vps = h->vps,
		.prestart = h->prestart,
		.callbacks = &h->callbacks,
	};
	int r = psi_new(&o, h->options.loop, &h->psi, e);

	return r < 0 ? r
		     : disk_headroom_new(h->vps, h->vp_data, &h->callbacks,
					 h->options.loop, &h->disk_headroom, e);
}

int daemon_open(const struct host_options *o, const struct host_callbacks *w,
		struct host **ret, struct err *e)
{
	AUTO(daemon_closep) struct host *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_oom(e, "open the device");
	h->options = *o;
	h->callbacks = *w;
	h->stage = h->layers_dir = h->cgroup = -1;
	r = open_parts(h, e);
	if (r < 0)
		return r;
	connect_parts(h);
	r = adopt_vps_and_open_backend(h, e);
	if (r == 0)
		net_remove_stale(h->net);
	if (r == 0)
		r = open_memory_and_disk_watch(h, e);
	if (r == 0)
		r = listen_for_events(h, e);
	if (r == 0)
		r = resume_vps_after_restart(h, e);
	if (r == 0)
		r = module_autoload_resume(h->module_autoload, e);
	if (r == 0)
		r = prestart_begin(h->prestart, e);
	if (r < 0)
		return r;
	*ret = steal(h);
	return 0;
}

void daemon_get_unsupported_facts(const struct host *h,
				  struct unsupported_facts *ret)
{
	*ret = (struct unsupported_facts){
		.limits = cgroup_get_unsupported_limits(h->cgroup),
		.backend_level = h->device.type->level,
		.is_network_off = h->options.net.off,
		.is_firewall_rejected = net_is_firewall_rejected(h->net),
		.is_psi_wanted = h->options.pressure_ms > 0,
		.has_psi = h->psi != NULL,
		.is_ksm_wanted = h->options.merge,
		.has_ksm = h->ksm != NULL,
		.has_fscrypt = vp_data_has_fscrypt(h->vp_data),
	};
}

void daemon_close(struct host *h)
{
	if (!h)
		return;
	sd_event_source_disable_unref(h->on_events);
	sd_event_source_disable_unref(h->on_flush);
	prestart_free(h->prestart);
	idle_free(h->idle);
	disk_headroom_free(h->disk_headroom);
	psi_free(h->psi);
	ksm_free(h->ksm);
	module_autoload_free(h->module_autoload);
	for (unsigned int i = 0; h->vps && i < h->vps->n; i++)
		if (h->vps->vp[i]->run)
			foreground_socket_close(
				steal(h->vps->vp[i]->run->foreground_socket));
	vp_table_free(h->vps);
	hotplug_close(&h->hotplug);
	if (h->device.backend)
		h->device.type->free(h->device.backend);
	confinement_free(h->confinement);
	layer_set_free(h->layers);
	vp_data_free(h->vp_data);
	net_free(h->net);
	free(h->device.nodes);
	auto_closep(&h->stage);
	auto_closep(&h->layers_dir);
	cgroup_root_close(h->cgroup, h->options.cgroup_root);
	free(h);
}

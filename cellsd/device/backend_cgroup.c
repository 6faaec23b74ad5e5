/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backend `cgroup`: the device program on each VP's cgroup, by libbpf. Programs
 * are attached to the cgroup itself, not by a link that a descriptor holds:
 * when the daemon dies they stay, and with them their maps, which the next
 * daemon takes over.
 */
#include "cellsd/device/backend_cgroup.h"

#include "cellsd/device/bpf_maps.h"
#include "cellsd/device/bpf_program.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PROGRAM_NAME "cells_device"
#define ATTACHED_MAX 16
#define MAPS_MAX 8
#define FLUSH_MAX 4096

enum { MAP_VERDICTS, MAP_NODES, MAP_BURSTS, MAP_EVENTS, MAP_LOST, MAP_COUNT };
static const char *const map_names[MAP_COUNT] = {
	"verdicts", "nodes", "bursts", "events", "lost",
};

struct backend {
	struct bpf_object *object;
	int program;
	int map[MAP_COUNT];
	struct ring_buffer *ring;
	backend_event_fn *fn; /* while events are drained */
	void *arg;
};

static int discard_libbpf_output(enum libbpf_print_level level, const char *fmt,
				 va_list ap)
{
	return 0;
}

/* libbpf keeps numbers of its own beyond errno; they end in one code. */
static int convert_libbpf_error(int r)
{
	return r < 0 && r > -4000 ? -r : EIO;
}

static void free_cgroup_backend(struct backend *b)
{
	if (!b)
		return;
	ring_buffer__free(b->ring);
	bpf_object__close(b->object);
	free(b);
}

static void cgroup_backend_freep(struct backend **b)
{
	free_cgroup_backend(*b);
}

/* The program of ours on that cgroup, or -ENOENT. */
static int find_attached_program(int cgroup)
{
	__u32 ids[ATTACHED_MAX], n = ATTACHED_MAX;

	if (bpf_prog_query(cgroup, BPF_CGROUP_DEVICE, 0, NULL, ids, &n) < 0)
		return -errno;
	for (__u32 i = 0; i < n; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(ids[i]);

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
		    strcmp(info.name, PROGRAM_NAME) == 0)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

static void reuse_map_by_id(struct bpf_object *object, __u32 id)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	auto_close int fd = bpf_map_get_fd_by_id(id);
	struct bpf_map *map;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return;
	map = bpf_object__find_map_by_name(object, info.name);
	if (map && bpf_map__type(map) == info.type &&
	    bpf_map__key_size(map) == info.key_size &&
	    bpf_map__value_size(map) == info.value_size)
		bpf_map__reuse_fd(map, fd);
}

/* Takes over the maps of the program that hangs on a running VP's cgroup. */
static void reuse_attached_maps(struct bpf_object *object,
				const struct backend_vp *vps, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		auto_close int fd = find_attached_program(vps[i].cgroup);
		__u32 ids[MAPS_MAX], len = sizeof(struct bpf_prog_info);
		struct bpf_prog_info info = {
			.nr_map_ids = MAPS_MAX,
			.map_ids = (__u64)(uintptr_t)ids,
		};

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
			continue;
		for (__u32 m = 0; m < info.nr_map_ids && m < MAPS_MAX; m++)
			reuse_map_by_id(object, ids[m]);
		return;
	}
}

static int load_device_program(struct backend *b, struct err *e)
{
	struct bpf_program *program;
	int r;

	r = bpf_object__load(b->object);
	if (r < 0)
		return err_sys(e, convert_libbpf_error(r),
			       "load the device program");
	program = bpf_object__find_program_by_name(b->object, PROGRAM_NAME);
	b->program = bpf_program__fd(program);
	for (int i = 0; i < MAP_COUNT; i++) {
		b->map[i] = bpf_object__find_map_fd_by_name(b->object,
							    map_names[i]);
		if (b->map[i] < 0)
			return err_set(e, EIO, "device program: no map '%s'",
				       map_names[i]);
	}
	return 0;
}

static int on_ring_event(void *arg, void *data, size_t len)
{
	const struct bpf_maps_event *in = data;
	struct backend *b = arg;
	struct backend_event ev = { 0 };

	if (len < sizeof(*in) || !b->fn)
		return 0;
	ev.event = in->kind == BPF_MAPS_OPEN ? "open" : "deny";
	ev.boot_ns = in->boot_ns;
	ev.vp = in->vp;
	ev.classes = in->classes;
	ev.pid = in->pid;
	ev.uid = in->uid;
	ev.count = in->count;
	memcpy(ev.comm, in->comm, sizeof(ev.comm));
	ev.comm[sizeof(ev.comm) - 1] = '\0';
	b->fn(b->arg, &ev);
	return 0;
}

static int create_cgroup_backend(const struct backend_vp *vps, unsigned int n,
				 struct backend **ret, struct err *e)
{
	AUTO(cgroup_backend_freep) struct backend *b = calloc(1, sizeof(*b));
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "cells");
	int r;

	if (!b)
		return err_oom(e, "make the device backend");
	libbpf_set_print(discard_libbpf_output);
	b->object = bpf_object__open_mem(
		bpf_program_start,
		(size_t)(bpf_program_end - bpf_program_start), &opts);
	if (!b->object)
		return err_sys(e, errno, "open the device program");
	reuse_attached_maps(b->object, vps, n);
	r = load_device_program(b, e);
	if (r < 0)
		return r;
	b->ring = ring_buffer__new(b->map[MAP_EVENTS], on_ring_event, b, NULL);
	if (!b->ring)
		return err_sys(e, errno, "open the device program's events");
	*ret = steal(b);
	return 0;
}

static uint64_t get_cgroup_key(int cgroup)
{
	struct stat st;

	return fstat(cgroup, &st) < 0 ? 0 : st.st_ino;
}

static int attach_device_program(struct backend *b, const struct backend_vp *vp,
				 struct err *e)
{
	auto_close int old = find_attached_program(vp->cgroup);
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = BPF_F_ALLOW_MULTI);

	if (old >= 0) {
		opts.flags |= BPF_F_REPLACE;
		opts.replace_prog_fd = old;
	}
	if (bpf_prog_attach_opts(b->program, vp->cgroup, BPF_CGROUP_DEVICE,
				 &opts) < 0)
		return err_sys(e, errno, "attach the device program");
	return 0;
}

static int set_cgroup_allowed(struct backend *b, int cgroup, uint32_t vp,
			      uint32_t classes, struct err *e)
{
	struct bpf_maps_verdict v = { .allowed = classes, .vp = vp };
	uint64_t key = get_cgroup_key(cgroup);

	if (bpf_map_update_elem(b->map[MAP_VERDICTS], &key, &v, BPF_EXIST) < 0)
		return err_sys(e, errno, "set the verdicts of VP number %u",
			       vp);
	return 0;
}

static int get_cgroup_allowed(struct backend *b, int cgroup,
			      uint32_t *ret_classes, struct err *e)
{
	uint64_t key = get_cgroup_key(cgroup);
	struct bpf_maps_verdict v;

	if (bpf_map_lookup_elem(b->map[MAP_VERDICTS], &key, &v) < 0)
		return err_sys(e, errno, "read the verdicts of a VP");
	*ret_classes = v.allowed;
	return 0;
}

static uint64_t build_node_key(const struct backend_node *n)
{
	return BPF_MAPS_NODE(n->block, n->major, n->minor);
}

static uint32_t build_node_value(const struct backend_node *n)
{
	switch (n->way) {
	case BACKEND_ENDPOINT:
		return BPF_MAPS_OF_VP | n->vp;
	case BACKEND_BY_ENDPOINT:
	case BACKEND_SHUT:
		return BPF_MAPS_SHUT | n->classes;
	default:
		return n->classes;
	}
}

static bool is_node_wanted(const struct backend_node *nodes, size_t n,
			   uint64_t key)
{
	for (size_t i = 0; i < n; i++)
		if (build_node_key(&nodes[i]) == key)
			return true;
	return false;
}

/* 1: there is one behind it, 0: there is none. */
static int get_next_node_key(const struct backend *b, const uint64_t *key,
			     uint64_t *ret, struct err *e)
{
	if (bpf_map_get_next_key(b->map[MAP_NODES], key, ret) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, errno, "read the nodes");
}

/* Drops nodes that are gone, so that a number used again means nothing. */
static int delete_stale_nodes(struct backend *b,
			      const struct backend_node *nodes, size_t n,
			      struct err *e)
{
	uint64_t key, next;
	int r = get_next_node_key(b, NULL, &next, e);

	while (r > 0) {
		key = next;
		r = get_next_node_key(b, &key, &next, e);
		if (r >= 0 && !is_node_wanted(nodes, n, key) &&
		    bpf_map_delete_elem(b->map[MAP_NODES], &key) < 0)
			return err_sys(e, errno, "drop a node that is gone");
	}
	return r;
}

int backend_cgroup_put_nodes(struct backend *b,
			     const struct backend_node *nodes, size_t n,
			     struct err *e)
{
	int r = delete_stale_nodes(b, nodes, n, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		uint64_t key = build_node_key(&nodes[i]);
		uint32_t value = build_node_value(&nodes[i]);

		if (!nodes[i].major && !nodes[i].minor)
			continue;
		if (bpf_map_update_elem(b->map[MAP_NODES], &key, &value,
					BPF_ANY) < 0)
			return err_sys(e, errno, "give node %u:%u its classes",
				       nodes[i].major, nodes[i].minor);
	}
	return 0;
}

static int set_cgroup_nodes(struct backend *b, struct backend_node *nodes,
			    size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		nodes[i].way = nodes[i].major || nodes[i].minor
				       ? BACKEND_BY_CLASS
				       : BACKEND_SHUT;
	return backend_cgroup_put_nodes(b, nodes, n, e);
}

static int get_cgroup_event_fd(struct backend *b)
{
	return ring_buffer__epoll_fd(b->ring);
}

static void report_lost_events(struct backend *b, backend_event_fn *fn,
			       void *arg)
{
	struct backend_event ev = { .event = "lost" };
	uint32_t happened = 0, reported = 1;
	uint64_t n_happened, n_reported;

	if (bpf_map_lookup_elem(b->map[MAP_LOST], &happened, &n_happened) < 0 ||
	    bpf_map_lookup_elem(b->map[MAP_LOST], &reported, &n_reported) < 0 ||
	    n_happened <= n_reported)
		return;
	ev.count = (uint32_t)(n_happened - n_reported);
	bpf_map_update_elem(b->map[MAP_LOST], &reported, &n_happened, BPF_ANY);
	fn(arg, &ev);
}

static void drain_cgroup_events(struct backend *b, backend_event_fn *fn,
				void *arg)
{
	b->fn = fn;
	b->arg = arg;
	ring_buffer__consume(b->ring);
	b->fn = NULL;
	report_lost_events(b, fn, arg);
}

static void report_counted_events(const struct bpf_maps_burst_key *key,
				  const struct bpf_maps_burst *burst,
				  backend_event_fn *fn, void *arg)
{
	struct backend_event ev = {
		.event = key->kind == BPF_MAPS_OPEN ? "open" : "deny",
		.boot_ns = burst->start_ns,
		.vp = key->vp,
		.classes = key->classes,
		.pid = burst->pid,
		.uid = burst->uid,
		.count = burst->count,
	};

	memcpy(ev.comm, burst->comm, sizeof(ev.comm));
	ev.comm[sizeof(ev.comm) - 1] = '\0';
	fn(arg, &ev);
}

static uint64_t get_boot_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static bool flush_cgroup_events(struct backend *b, backend_event_fn *fn,
				void *arg)
{
	int fd = b->map[MAP_BURSTS];
	struct bpf_maps_burst_key key, next;
	uint64_t now = get_boot_time_ns();
	bool left = false, more;

	more = bpf_map_get_next_key(fd, NULL, &next) == 0;
	for (int i = 0; more && i < FLUSH_MAX; i++) {
		struct bpf_maps_burst burst;

		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &burst) < 0)
			continue;
		if (now - burst.start_ns < BPF_MAPS_BURST_NS) {
			left = true;
			continue;
		}
		if (bpf_map_lookup_and_delete_elem(fd, &key, &burst) == 0 &&
		    burst.count > 0)
			report_counted_events(&key, &burst, fn, arg);
	}
	return left;
}

const struct backend_type backend_cgroup_type = {
	.name = "cgroup",
	.level = "open",
	.make = create_cgroup_backend,
	.free = free_cgroup_backend,
	.set_nodes = set_cgroup_nodes,
	.attach = attach_device_program,
	.allow = set_cgroup_allowed,
	.allowed = get_cgroup_allowed,
	.fd = get_cgroup_event_fd,
	.drain = drain_cgroup_events,
	.flush = flush_cgroup_events,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backend `cgroup`: the device program on each VP's cgroup, by libbpf. Programs
 * are attached to the cgroup itself, not by a link that a descriptor holds:
 * when the daemon dies they stay, and with them their maps, which the next
 * daemon takes over.
 */
#include "cellsd/backend_cgroup.h"

#include "cellsd/bpf_maps.h"
#include "cellsd/bpf_program.h"
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
	backend_fn *fn; /* while events are drained */
	void *arg;
};

static int no_output(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

/* libbpf keeps numbers of its own beyond errno; they end in one code. */
static int sys_code(int r)
{
	return r < 0 && r > -4000 ? -r : EIO;
}

static void gate_free(struct backend *b)
{
	if (!b)
		return;
	ring_buffer__free(b->ring);
	bpf_object__close(b->object);
	free(b);
}

static void gate_freep(struct backend **b)
{
	gate_free(*b);
}

/* The program of ours on that cgroup, or -ENOENT. */
static int attached_program(int leaf)
{
	__u32 ids[ATTACHED_MAX], n = ATTACHED_MAX;

	if (bpf_prog_query(leaf, BPF_CGROUP_DEVICE, 0, NULL, ids, &n) < 0)
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

static void reuse_map(struct bpf_object *object, __u32 id)
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
static void reuse_maps(struct bpf_object *object, const struct backend_vp *vps,
		       unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		auto_close int fd = attached_program(vps[i].leaf);
		__u32 ids[MAPS_MAX], len = sizeof(struct bpf_prog_info);
		struct bpf_prog_info info = {
			.nr_map_ids = MAPS_MAX,
			.map_ids = (__u64)(uintptr_t)ids,
		};

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
			continue;
		for (__u32 m = 0; m < info.nr_map_ids && m < MAPS_MAX; m++)
			reuse_map(object, ids[m]);
		return;
	}
}

static int load(struct backend *b, struct err *e)
{
	struct bpf_program *program;
	int r;

	r = bpf_object__load(b->object);
	if (r < 0)
		return err_sys(e, sys_code(r), "load the device program");
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

static int on_ring(void *arg, void *data, size_t len)
{
	const struct verdict_event *in = data;
	struct backend *b = arg;
	struct backend_event ev = { 0 };

	if (len < sizeof(*in) || !b->fn)
		return 0;
	ev.event = in->kind == VERDICT_OPEN ? "open" : "deny";
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

static int gate_make(const struct backend_vp *vps, unsigned int n,
		     struct backend **ret, struct err *e)
{
	AUTO(gate_freep) struct backend *b = calloc(1, sizeof(*b));
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "cells");
	int r;

	if (!b)
		return err_oom(e, "make the device backend");
	libbpf_set_print(no_output);
	b->object = bpf_object__open_mem(
		program_start, (size_t)(program_end - program_start), &opts);
	if (!b->object)
		return err_sys(e, errno, "open the device program");
	reuse_maps(b->object, vps, n);
	r = load(b, e);
	if (r < 0)
		return r;
	b->ring = ring_buffer__new(b->map[MAP_EVENTS], on_ring, b, NULL);
	if (!b->ring)
		return err_sys(e, errno, "open the device program's events");
	*ret = steal(b);
	return 0;
}

static uint64_t leaf_key(int leaf)
{
	struct stat st;

	return fstat(leaf, &st) < 0 ? 0 : st.st_ino;
}

static int gate_hold(struct backend *b, const struct backend_vp *vp,
		     struct err *e)
{
	auto_close int old = attached_program(vp->leaf);
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = BPF_F_ALLOW_MULTI);

	if (old >= 0) {
		opts.flags |= BPF_F_REPLACE;
		opts.replace_prog_fd = old;
	}
	if (bpf_prog_attach_opts(b->program, vp->leaf, BPF_CGROUP_DEVICE,
				 &opts) < 0)
		return err_sys(e, errno, "attach the device program");
	return 0;
}

static int gate_allow(struct backend *b, int leaf, uint32_t vp,
		      uint32_t classes, struct err *e)
{
	struct verdict v = { .allowed = classes, .vp = vp };
	uint64_t key = leaf_key(leaf);

	if (bpf_map_update_elem(b->map[MAP_VERDICTS], &key, &v, BPF_EXIST) < 0)
		return err_sys(e, errno, "set the verdicts of VP number %u",
			       vp);
	return 0;
}

static int gate_allowed(struct backend *b, int leaf, uint32_t *ret_classes,
			struct err *e)
{
	uint64_t key = leaf_key(leaf);
	struct verdict v;

	if (bpf_map_lookup_elem(b->map[MAP_VERDICTS], &key, &v) < 0)
		return err_sys(e, errno, "read the verdicts of a VP");
	*ret_classes = v.allowed;
	return 0;
}

static uint64_t node_key(const struct backend_node *n)
{
	return VERDICT_NODE(n->block, n->major, n->minor);
}

static uint32_t node_value(const struct backend_node *n)
{
	switch (n->way) {
	case BACKEND_ENDPOINT:
		return VERDICT_OF_VP | n->vp;
	case BACKEND_BY_ENDPOINT:
	case BACKEND_SHUT:
		return VERDICT_SHUT | n->classes;
	default:
		return n->classes;
	}
}

static bool is_wanted(const struct backend_node *nodes, size_t n, uint64_t key)
{
	for (size_t i = 0; i < n; i++)
		if (node_key(&nodes[i]) == key)
			return true;
	return false;
}

/* 1: there is one behind it, 0: there is none. */
static int next_node(const struct backend *b, const uint64_t *key,
		     uint64_t *ret, struct err *e)
{
	if (bpf_map_get_next_key(b->map[MAP_NODES], key, ret) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, errno, "read the nodes");
}

/* Drops nodes that are gone, so that a number used again means nothing. */
static int drop_nodes(struct backend *b, const struct backend_node *nodes,
		      size_t n, struct err *e)
{
	uint64_t key, next;
	int r = next_node(b, NULL, &next, e);

	while (r > 0) {
		key = next;
		r = next_node(b, &key, &next, e);
		if (r >= 0 && !is_wanted(nodes, n, key) &&
		    bpf_map_delete_elem(b->map[MAP_NODES], &key) < 0)
			return err_sys(e, errno, "drop a node that is gone");
	}
	return r;
}

int gate_put_nodes(struct backend *b, const struct backend_node *nodes,
		   size_t n, struct err *e)
{
	int r = drop_nodes(b, nodes, n, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		uint64_t key = node_key(&nodes[i]);
		uint32_t value = node_value(&nodes[i]);

		if (!nodes[i].major && !nodes[i].minor)
			continue;
		if (bpf_map_update_elem(b->map[MAP_NODES], &key, &value,
					BPF_ANY) < 0)
			return err_sys(e, errno, "give node %u:%u its classes",
				       nodes[i].major, nodes[i].minor);
	}
	return 0;
}

static int gate_set_nodes(struct backend *b, struct backend_node *nodes,
			  size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		nodes[i].way = nodes[i].major || nodes[i].minor
				       ? BACKEND_BY_CLASS
				       : BACKEND_SHUT;
	return gate_put_nodes(b, nodes, n, e);
}

static int gate_fd(struct backend *b)
{
	return ring_buffer__epoll_fd(b->ring);
}

static void tell_lost(struct backend *b, backend_fn *fn, void *arg)
{
	struct backend_event ev = { .event = "lost" };
	uint32_t happened = 0, told = 1;
	uint64_t n_happened, n_told;

	if (bpf_map_lookup_elem(b->map[MAP_LOST], &happened, &n_happened) < 0 ||
	    bpf_map_lookup_elem(b->map[MAP_LOST], &told, &n_told) < 0 ||
	    n_happened <= n_told)
		return;
	ev.count = (uint32_t)(n_happened - n_told);
	bpf_map_update_elem(b->map[MAP_LOST], &told, &n_happened, BPF_ANY);
	fn(arg, &ev);
}

static void gate_drain(struct backend *b, backend_fn *fn, void *arg)
{
	b->fn = fn;
	b->arg = arg;
	ring_buffer__consume(b->ring);
	b->fn = NULL;
	tell_lost(b, fn, arg);
}

static void tell_burst(const struct verdict_burst_key *key,
		       const struct verdict_burst *burst, backend_fn *fn,
		       void *arg)
{
	struct backend_event ev = {
		.event = key->kind == VERDICT_OPEN ? "open" : "deny",
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

static uint64_t boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static bool gate_flush(struct backend *b, backend_fn *fn, void *arg)
{
	int fd = b->map[MAP_BURSTS];
	struct verdict_burst_key key, next;
	uint64_t now = boot_ns();
	bool left = false, more;

	more = bpf_map_get_next_key(fd, NULL, &next) == 0;
	for (int i = 0; more && i < FLUSH_MAX; i++) {
		struct verdict_burst burst;

		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &burst) < 0)
			continue;
		if (now - burst.start_ns < VERDICT_BURST_NS) {
			left = true;
			continue;
		}
		if (bpf_map_lookup_and_delete_elem(fd, &key, &burst) == 0 &&
		    burst.count > 0)
			tell_burst(&key, &burst, fn, arg);
	}
	return left;
}

const struct backend_type gate_backend = {
	.name = "cgroup",
	.level = "open",
	.make = gate_make,
	.free = gate_free,
	.set_nodes = gate_set_nodes,
	.hold = gate_hold,
	.allow = gate_allow,
	.allowed = gate_allowed,
	.fd = gate_fd,
	.drain = gate_drain,
	.flush = gate_flush,
};

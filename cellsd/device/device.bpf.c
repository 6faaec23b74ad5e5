/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device program: it hangs on each VP's cgroup and decides each open and
 * mknod of a device node. Loaded once; what differs between VPs is the storage
 * of their cgroups, which the kernel replaces as a whole (RCU).
 */
#include "bpf_maps.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, __u64);
	__type(value, struct bpf_maps_verdict);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, __u32);
} nodes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct bpf_maps_burst_key);
	__type(value, struct bpf_maps_burst);
} bursts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2); /* how many; of these the daemon reported */
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void count_lost_events(__u32 n)
{
	__u32 zero = 0;
	__u64 *sum = bpf_map_lookup_elem(&lost, &zero);

	if (sum)
		__sync_fetch_and_add(sum, n);
}

static __always_inline void report_access_event(__u32 kind, __u32 vp,
						__u32 classes)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct bpf_maps_burst_key key = { .kind = kind,
					  .vp = vp,
					  .classes = classes,
					  .pid = kind == BPF_MAPS_OPEN ? pid
								       : 0 };
	struct bpf_maps_burst fresh = { .start_ns = bpf_ktime_get_boot_ns() };
	struct bpf_maps_burst *old = bpf_map_lookup_elem(&bursts, &key);
	struct bpf_maps_event *ev;
	__u32 count = 1;

	if (old && fresh.start_ns - old->start_ns < BPF_MAPS_BURST_NS) {
		__sync_fetch_and_add(&old->count, 1);
		return;
	}
	if (old)
		count += old->count;
	fresh.pid = pid;
	fresh.uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(fresh.comm, sizeof(fresh.comm));
	bpf_map_update_elem(&bursts, &key, &fresh, BPF_ANY);

	ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);
	if (!ev) {
		count_lost_events(count);
		return;
	}
	ev->boot_ns = fresh.start_ns;
	ev->kind = kind;
	ev->vp = vp;
	ev->classes = classes;
	ev->pid = fresh.pid;
	ev->uid = fresh.uid;
	ev->count = count;
	__builtin_memcpy(ev->comm, fresh.comm, sizeof(ev->comm));
	bpf_ringbuf_submit(ev, 0);
}

/* Nodes without hardware behind them, which every program expects. */
static __always_inline int is_pseudo_device(__u32 major, __u32 minor)
{
	if (major == 1) /* null, zero, full, random, urandom */
		return minor == 3 || minor == 5 || minor == 7 || minor == 8 ||
		       minor == 9;
	if (major == 5) /* tty, ptmx */
		return minor == 0 || minor == 2;
	return major >= 136 && major <= 143; /* pseudo terminals */
}

SEC("cgroup/dev")
int cells_device(struct bpf_cgroup_dev_ctx *ctx)
{
	struct bpf_maps_verdict *v = bpf_get_local_storage(&verdicts, 0);
	__u32 access = ctx->access_type >> 16;
	__u32 block = (ctx->access_type & 0xffff) == BPF_DEVCG_DEV_BLOCK;
	__u64 key = BPF_MAPS_NODE(block, ctx->major, ctx->minor);
	__u32 *classes, denied;

	if (access & BPF_DEVCG_ACC_MKNOD) {
		report_access_event(BPF_MAPS_DENY, v->vp, 0);
		return 0;
	}
	if (!block && is_pseudo_device(ctx->major, ctx->minor))
		return 1;
	classes = bpf_map_lookup_elem(&nodes, &key);
	if (!classes || !*classes) {
		report_access_event(BPF_MAPS_DENY, v->vp, 0);
		return 0;
	}
	/* The module reports on an endpoint, and decides what it can do. */
	if (*classes & BPF_MAPS_OF_VP) {
		denied = (*classes & BPF_MAPS_CLASSES) != v->vp;
		if (denied)
			report_access_event(BPF_MAPS_DENY, v->vp, 0);
		return !denied;
	}
	if (*classes & BPF_MAPS_SHUT) {
		report_access_event(BPF_MAPS_DENY, v->vp,
				    *classes & BPF_MAPS_CLASSES);
		return 0;
	}
	denied = *classes & ~v->allowed;
	report_access_event(denied ? BPF_MAPS_DENY : BPF_MAPS_OPEN, v->vp,
			    denied ? denied : *classes);
	return !denied;
}

char _license[] SEC("license") = "GPL";

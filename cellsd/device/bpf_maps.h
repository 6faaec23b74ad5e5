/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the device program and the daemon share: the program's maps. A node is
 * in one or more classes; a VP may open it if it is allowed all of them.
 */
#ifndef CELLSD_DEVICE_BPF_MAPS_H
#define CELLSD_DEVICE_BPF_MAPS_H

#include <linux/types.h>

/* Key of map `nodes`; its value is the node's classes, a bit each. */
#define BPF_MAPS_NODE(block, major, minor)                                     \
	((__u64)(block) << 63 | (__u64)(major) << 32 | (__u64)(minor))

/* Values of map `nodes`: classes, a bit each; or one of these on top. */
#define BPF_MAPS_SHUT (1U << 31)  /* nobody opens it, whatever the classes */
#define BPF_MAPS_OF_VP (1U << 30) /* an endpoint; below: its VP's number */
#define BPF_MAPS_CLASSES (BPF_MAPS_OF_VP - 1)

/* Value of map `verdicts`, one for each VP's cgroup; at first nothing. */
struct bpf_maps_verdict {
	__u32 allowed; /* a bit for each class */
	__u32 vp;      /* the VP's number */
};

enum bpf_maps_event_kind {
	BPF_MAPS_OPEN,
	BPF_MAPS_DENY,
};

/* An open or a denial. `classes` 0: a node that no class claims, or mknod. */
struct bpf_maps_event {
	__u64 boot_ns;
	__u32 kind, vp, classes, pid, uid;
	__u32 count; /* this one, and those counted since the last reported one
		      */
	char comm[16];
};

#define BPF_MAPS_BURST_NS 1000000000ULL

/*
 * Equal events within BPF_MAPS_BURST_NS are counted here, not reported: opens
 * of one process, denials of one VP (`pid` 0: they cost nothing to repeat, by
 * any number of processes).
 */
struct bpf_maps_burst_key {
	__u32 kind, vp, classes, pid;
};

struct bpf_maps_burst {
	__u64 start_ns;
	__u32 count, pid, uid, pad;
	char comm[16];
};

#endif

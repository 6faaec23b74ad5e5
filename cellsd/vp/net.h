/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of VPs: a link each (veth.c), what may pass (firewall.c), where
 * DNS goes (resolver.c). All of it is in the kernel and can be read back, so a
 * daemon that comes later takes it over as it is. Nothing is touched until the
 * first VP that has a network is made; with the last one everything goes. A
 * prepared VP has all of it, too.
 */
#ifndef CELLSD_VP_NET_H
#define CELLSD_VP_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct err;
struct net;
struct vp_table;
struct vp;

#define NET_RANGE "10.213.0.0/16"

struct net_options {
	bool off;	/* VPs have their loopback only */
	uint32_t range; /* addresses of VPs, host byte order */
	unsigned int prefix;
	uint32_t resolver; /* 0: the host's */
};

/* "10.213.0.0/16": a prefix of 8 to 30. -EINVAL. */
int net_parse_range(const char *text, struct net_options *ret, struct err *e);
/* An IPv4 address or "host". */
int net_parse_resolver(const char *text, struct net_options *ret,
		       struct err *e);

/* Borrows the VP table. Where the kernel lacks something, VPs have no network.
 */
int net_new(const struct net_options *o, const char *run_dir,
	    const struct vp_table *vp_table, sd_event *loop, struct net **ret,
	    struct err *e);
void net_free(struct net *n);

/*
 * Before a VP is cloned, since libnftables writes to much memory, of which a
 * child would be given copies: an address for what is made of v, and the rules
 * for it; or 0, logged, if it wants one and cannot have it.
 */
void net_assign_address(struct net *n, struct vp *v);
/* Makes the link to the VP's first process. */
int net_attach_vp(struct net *n, const struct vp *v, pid_t pid, struct err *e);
/* When it has ended; also after half a start. */
void net_detach_vp(struct net *n, struct vp *v);

/* After a restart: finds the link of a VP that runs. */
void net_adopt_vp(struct net *n, struct vp *v);
/* After that: removes what is of no running VP, loads the table again. */
void net_remove_stale(struct net *n);
/* After Apply: other rules hold at once; what may have no network loses it. */
void net_update_rules(struct net *n);

/* No VP gets one, for the kernel took no table of ours. */
bool net_is_firewall_rejected(const struct net *n);

/* A VP that wants a network, runs, and has none. */
bool net_is_missing(const struct vp *v);

static inline void net_freep(struct net **n)
{
	net_free(*n);
}

#endif

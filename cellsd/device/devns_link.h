/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to devns.ko: its netlink contract (kernel/uapi/cells/devns.h) as
 * typed calls, by libnl. A refusal comes as the module's own words, from the
 * extended ACK. The one file that knows libnl-genl; devnsctl(8) links it too.
 */
#ifndef CELLSD_DEVICE_DEVNS_LINK_H
#define CELLSD_DEVICE_DEVNS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cellsd/device/devns_types.h"

struct devns_link;
struct err;

/* -ENOENT: the kernel has no such family, the module is not there. */
int devns_link_open(struct devns_link **ret, struct err *e);
void devns_link_free(struct devns_link *l);

int devns_link_ns_add(struct devns_link *l, const char *name, uint32_t *ret_id,
		      struct err *e);
int devns_link_ns_del(struct devns_link *l, uint32_t id, struct err *e);
int devns_link_ns_get(struct devns_link *l, uint32_t id,
		      struct devns_link_ns *ret, struct err *e);
/* -ENOENT: none has this name. */
int devns_link_ns_find(struct devns_link *l, const char *name, uint32_t *ret_id,
		       struct err *e);
/* s->id is not looked at. */
int devns_link_source_add(struct devns_link *l,
			  const struct devns_link_source *s, uint32_t *ret_id,
			  struct err *e);
int devns_link_source_del(struct devns_link *l, uint32_t id, struct err *e);

/*
 * Dumps: call fn for each. -EAGAIN: something changed meanwhile, more than
 * once; what fn saw is not one state.
 */
typedef void devns_link_ns_fn(void *arg, const struct devns_link_ns *ns);
typedef void devns_link_source_fn(void *arg, const struct devns_link_source *s);
typedef void devns_link_endpoint_fn(void *arg,
				    const struct devns_link_endpoint *ep);
int devns_link_each_ns(struct devns_link *l, devns_link_ns_fn *fn, void *arg,
		       struct err *e);
int devns_link_each_source(struct devns_link *l, devns_link_source_fn *fn,
			   void *arg, struct err *e);
int devns_link_each_endpoint(struct devns_link *l, devns_link_endpoint_fn *fn,
			     void *arg, struct err *e);
int devns_link_each_stat(struct devns_link *l, devns_link_endpoint_fn *fn,
			 void *arg, struct err *e);

struct devns_link_change {
	uint64_t took_ns; /* by the kernel's clock */
	struct devns_link_revocation *cut;
	size_t n;
};
void devns_link_change_fini(struct devns_link_change *c);

/* The whole table at once; what it does not name is none. -ESTALE. */
int devns_link_policy_set(struct devns_link *l, uint64_t generation,
			  const struct devns_link_right *rights, size_t n,
			  struct devns_link_change *ret, struct err *e);
/* The foreground, 0: the host. -ESTALE: another than `expected` has it. */
int devns_link_active_set(struct devns_link *l, uint32_t expected, uint32_t id,
			  struct devns_link_change *ret, struct err *e);

typedef void devns_link_event_fn(void *arg, const struct devns_link_event *ev);

/* Joins the audit group; the descriptor is readable when there are events. */
int devns_link_listen(struct devns_link *l, struct err *e);
int devns_link_fd(const struct devns_link *l);
/*
 * Takes what has come. Numbers that are missing between two events, and a
 * buffer that ran over, come as DEVNS_EVENT_LOST with their count.
 */
int devns_link_drain_events(struct devns_link *l, devns_link_event_fn *fn,
			    void *arg, struct err *e);

static inline void devns_link_freep(struct devns_link **l)
{
	devns_link_free(*l);
}

#endif

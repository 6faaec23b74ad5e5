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

#include <cells/class.h>
#include <cells/devns.h>
#include <cells/mode.h>

struct devns_link;
struct err;

/* -ENOENT: the kernel has no such family, the module is not there. */
int devns_link_open(struct devns_link **ret, struct err *e);
void devns_link_free(struct devns_link *l);

struct devns_link_ns {
	uint32_t id;
	char name[DEVNS_NAME_MAX];
	bool active;
	uint32_t handles, mappings;
	uint64_t generation; /* of the policy in force */
	struct cells_right right[CELLS_CLASS_COUNT];
};

struct devns_link_source {
	uint32_t id;
	uint32_t classes; /* a bit each */
	uint32_t kind;	  /* enum devns_kind */
	uint32_t major, minor;
	char node[DEVNS_NODE_MAX];
	/* A program of the host that shows something else there; 0: none. */
	uint32_t holder_pid;
	char holder[DEVNS_COMM_MAX];
};

struct devns_link_endpoint {
	uint32_t ns, source, classes;
	uint32_t major, minor; /* 0, 0: it has no node */
	bool allowed;
	uint32_t handles, mappings;
	uint64_t opens, denials, calls, revokes; /* devns_link_each_stat() */
	char node[DEVNS_NODE_MAX];
};

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

struct devns_link_right {
	uint32_t ns;
	enum cells_class cls;
	struct cells_right right;
};

/* What a change took away; `killed`: processes that did not let go in time. */
struct devns_link_revocation {
	uint32_t ns, cls;
	uint32_t handles, mappings, killed;
};

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

/* What the event has not is 0, "" or CELLS_CLASS_COUNT. */
struct devns_link_event {
	uint32_t event; /* enum devns_event */
	uint64_t seq, boot_ns, generation, took_ns;
	uint32_t ns, previous, cls;
	uint32_t pid, uid, count;
	uint32_t handles, mappings, killed;
	uint32_t combo; /* which of the module's key combinations, from 0 */
	uint8_t use, block;
	char comm[DEVNS_COMM_MAX];
	char node[DEVNS_NODE_MAX];
};
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

/* "open", "deny" ...; "cut", "suspend" ...; "?" for what this build lacks. */
const char *devns_link_event_name(uint32_t event);
const char *devns_link_kind_name(uint32_t kind);

static inline void devns_link_freep(struct devns_link **l)
{
	devns_link_free(*l);
}

#endif

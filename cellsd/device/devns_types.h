/* SPDX-License-Identifier: Apache-2.0 */
/* What devns.ko keeps and reports (kernel/uapi/cells/devns.h), as structures.
 */
#ifndef CELLSD_DEVICE_DEVNS_TYPES_H
#define CELLSD_DEVICE_DEVNS_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include <cells/class.h>
#include <cells/devns.h>
#include <cells/mode.h>

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

/* "open", "deny" ...; "cut", "suspend" ...; "?" for what this build lacks. */
const char *devns_types_event_name(uint32_t event);
const char *devns_types_kind_name(uint32_t kind);

#endif

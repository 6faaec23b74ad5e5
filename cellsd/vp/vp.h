/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VP as cellsd knows it: what policyd wants of it, what it has been given for
 * good (its range of ids), its state, and, while it runs, its handles.
 */
#ifndef CELLSD_VP_VP_H
#define CELLSD_VP_VP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cellsd/container/init_process.h"
#include "cellsd/device/backend.h"
#include "cellsd/limits.h"
#include "cellsd/net/firewall.h"
#include "cellsd/vp/vp_state.h"

#include <cells/class.h>
#include <cells/mode.h>

#define VP_CGROUP_SIZE 96
#define VP_LAYERS_MAX 16
#define VP_RANGE_FIRST 16 /* ids below 1,048,576 are the host's */
#define VP_RANGE_LAST 65000

typedef struct sd_event_source sd_event_source;
struct foreground_socket;
struct err;

#define VP_ALLOW_MAX 64

/* Properties of org.cells.Device1.Apply. Text is never NULL. */
struct vp_conf {
	char *label, *init;
	char *attention, *notify;   /* words with a space between */
	char *recovery;		    /* the organisation's point in hex, or "" */
	char *layer[VP_LAYERS_MAX]; /* digests, lowest first */
	uint32_t n_layers;
	struct firewall_allow *allow; /* none: anywhere */
	uint32_t n_allow;
	uint64_t net_rate; /* bytes a second, each way; 0: no limit */
	int32_t stop_signal;
	uint64_t memory_max, storage_max;
	uint64_t io_read_max, io_write_max; /* bytes a second; 0: no limit */
	uint32_t cpu_weight, io_weight, pids_max, idle_seconds;
	bool nat, on_boot;
	bool overcommit;   /* storage_max is not reserved */
	bool no_new_privs; /* from its next start on */
};

/* One row per property, for D-Bus, for the log and for their tests. */
enum vp_kind { VP_TEXT, VP_INT, VP_U32, VP_U64, VP_BOOL };
struct vp_property {
	const char *name;
	enum vp_kind kind;
	size_t offset; /* in struct vp_conf */
};
extern const struct vp_property vp_properties[]; /* a NULL name ends it */

int vp_conf_init(struct vp_conf *c, struct err *e);
void vp_conf_fini(struct vp_conf *c);
int vp_conf_add_layer(struct vp_conf *c, const char *digest, struct err *e);
/* -EINVAL: not a network of IPv4, not tcp or udp, or too many. */
int vp_conf_add_allow(struct vp_conf *c, const struct firewall_allow *a,
		      struct err *e);
/* From words; -EINVAL. For text of the log only. */
int vp_conf_set_property(struct vp_conf *c, const char *name, const char *value,
			 struct err *e);
bool vp_conf_equal(const struct vp_conf *a, const struct vp_conf *b);
/* What an unsound policyd could send. */
int vp_conf_check(const struct vp_conf *c, const char *vp, struct err *e);

struct vp_right {
	struct cells_right right;
	bool kill; /* end holders of handles that are no longer allowed */
};

struct vp_run {
	struct init_process
		init_process; /* of the first process, until it is let go */
	uint32_t edition;     /* of the config that it was made by */
	bool is_outdated;     /* it lacks what a new one may have */
	pid_t pid;
	char cgroup_name[VP_CGROUP_SIZE];
	int cgroup, pidfd, events, dev;
	int dir;	  /* the VP's /run; -1 if a restart did not find it */
	int console, tty; /* master and slave side */
	uint64_t since_ns;
	uint32_t allowed; /* classes the kernel lets it open, a bit each */
	struct backend_node *nodes; /* in its /dev, as far as we know */
	size_t n_nodes;
	dev_t disk;	   /* that its data is on; 0: none that counts */
	bool no_new_privs; /* its init was started so */
	bool is_frozen;	   /* it waits, frozen, for room on the disk */
	bool reported_damaged;
	uint64_t disk_usage;		 /* at the last look */
	unsigned int unsupported_limits; /* CGROUP_LIMIT_*: no controller */
	uint32_t address;		 /* in its network; 0: it has none */
	struct foreground_socket *foreground_socket;
	const char *cause; /* why it is being ended; NULL: it is not */
	sd_event_source *on_exit, *on_empty, *on_timeout, *on_console;
};

struct vp {
	char name[VP_NAME_SIZE];
	bool is_desired;      /* in the desired state */
	bool auto_started;    /* since the last boot */
	bool erasing;	      /* its data is being deleted */
	bool is_evicting;     /* its key is being taken from the kernel */
	bool prestart_failed; /* it is not tried again */
	uint64_t ended_ns; /* boot clock; 0: it did not run under this daemon */
	bool shredding;	   /* its key is gone, its slots perhaps half */
	struct {
		unsigned int slots, keys; /* destroyed */
		uint64_t ns; /* from its last process's end to no key */
		bool incomplete;
	} eviction; /* by the last lock or wipe */
	struct vp_conf conf;
	uint32_t edition; /* counts changes of conf */
	struct vp_right right[CELLS_CLASS_COUNT];
	uint32_t number; /* its range of ids; 0: none. Never used again */
	enum vp_state state;
	struct vp_run *run;	   /* NULL: it does not run */
	struct vp_run *prepared;   /* made, not let go; never both */
	struct vp_waiter *waiters; /* for its end */
};

/* `e` NULL: done. The VP may be gone. */
typedef void vp_done_fn(void *arg, const struct err *e);
struct vp_waiter {
	struct vp_waiter *next;
	vp_done_fn *fn;
	void *arg;
};
int vp_add_waiter(struct vp *v, vp_done_fn *fn, void *arg, struct err *e);
/* Calls and forgets all who wait for v's end. */
void vp_notify_waiters(struct vp *v, const struct err *e);

struct vp *vp_new(const char *name, struct err *e);
void vp_free(struct vp *v);

static inline uint32_t vp_get_id_base(const struct vp *v)
{
	return v->number * 65536U;
}

/* A handle-less run; freed with what it holds. A first process that waits to be
 * let go is ended. */
struct vp_run *vp_run_new(const char *cgroup_name);
void vp_run_free(struct vp_run *r);

/* What is made of it, be it running or prepared; or NULL. */
static inline struct vp_run *vp_get_run(const struct vp *v)
{
	return v->run ? v->run : v->prepared;
}

/* A VP that is made, as backends know it. */
struct backend_vp vp_get_backend_vp(const struct vp *v);

/* The classes that v may use while `front` (or NULL) is in front. */
uint32_t vp_get_allowed_classes(const struct vp *v,
				const struct vp *foreground);

static inline void vp_freep(struct vp **v)
{
	vp_free(*v);
}

#endif

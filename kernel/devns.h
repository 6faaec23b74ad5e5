/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module's files share. A devns is what one virtual phone (VP) has of
 * the devices; a source is a real device that was given to all of them; an
 * endpoint is what one devns has of one source. How a source is taken away and
 * given back is its kind.
 *
 * Locks, outer first:
 *   devns_mutex        every change: namespaces, sources, policy, foreground
 *   > a kind's locks   it orders its own drawing, events, writes
 *   > audit_mutex      one order of numbers and messages (audit_events.c)
 * and, of pass-through endpoints (passthrough.c, mapping.c):
 *   mmap_lock, devns_mutex > endpoint's faults > page-table locks
 *   anything > endpoint's lock, a leaf, and a spin lock
 * No lock of ours but devns_mutex is held across a call of a driver.
 */
#ifndef DEVNS_H
#define DEVNS_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include <cells/class.h>
#include <cells/devns.h>
#include <cells/mode.h>

struct devns_drm_master;
struct devns_passthrough;

/* What a denial took away. */
struct devns_revoked {
	u32 handles;
	u32 mappings;
	u32 killed;
};

struct devns {
	u32 id;
	char name[DEVNS_NAME_MAX];
	struct list_head link;	    /* devns_list */
	struct list_head endpoints; /* devns_endpoint.in_ns */
	struct cells_right rights[CELLS_CLASS_COUNT];
	/* While a table is read: what it says, and the classes it has named. */
	struct cells_right pending_rights[CELLS_CLASS_COUNT];
	u32 pending_classes;
	struct devns_revoked
		revoked[CELLS_CLASS_COUNT]; /* by the change under way */
};

struct devns_source_device {
	u32 id;
	u32 kind;    /* enum devns_kind */
	u32 classes; /* bits of enum cells_class */
	dev_t devt;  /* the real node, 0: none */
	const struct devns_kind_ops *ops;
	struct list_head link;	    /* devns_source_devices */
	struct list_head endpoints; /* devns_endpoint.in_source */
	void *priv;		    /* the kind's */
	char node[DEVNS_NODE_MAX];
};

/*
 * It lives until the last handle is closed, long after it has left its devns
 * and its source: then ns and source are NULL, ns_id stays.
 */
struct devns_endpoint {
	struct device dev; /* owns the memory */
	struct cdev cdev;
	const struct devns_kind_ops *ops;
	struct devns *ns;		    /* under devns_mutex */
	struct devns_source_device *source; /* under devns_mutex */
	struct list_head in_ns;
	struct list_head in_source;
	struct list_head changing; /* while a change is applied */
	u32 ns_id;
	u32 classes;
	u32 granted;  /* of these, now; written under devns_mutex */
	dev_t devt;   /* the node in the devns's /dev, 0: nothing */
	bool allowed; /* the verdict, under devns_mutex */
	bool published;
	int minor; /* of ours, -1: the kind's own node or none */
	const struct file_operations *fops;
	struct devns_passthrough *pass;
	void *priv; /* the kind's */

	/* Counters; the first two are of what is open now. */
	atomic_t handles;
	atomic_t mappings;
	atomic64_t opens;
	atomic64_t denials;
	atomic64_t calls;
	atomic64_t revokes;

	/* Denials that no event has reported yet; see audit_events.c. */
	struct delayed_work deny_work;
	spinlock_t deny_lock;
	u32 deny_count;
	u32 deny_pid;
	u32 deny_uid;
	bool deny_burst;
	bool deny_ended;
	char deny_comm[DEVNS_COMM_MAX];
	char node[DEVNS_NODE_MAX];
};

/*
 * A kind of source. All but free are called under devns_mutex and may sleep;
 * NULL is nothing to do. An add that fails fills *ack.
 */
struct devns_kind_ops {
	bool has_devt; /* MAJOR and MINOR are asked for */
	/*
	 * Keeps state for each devns: in the background a devns is allowed what
	 * it would have in front, and only acts on its own state.
	 */
	bool is_virtual;
	/* One of its classes is enough; what is of another it refuses itself.
	 */
	bool any_class;
	int (*source_add)(struct devns_source_device *s,
			  struct netlink_ext_ack *ack);
	/* Its endpoints are gone. */
	void (*source_del)(struct devns_source_device *s);
	/* Born denied; allow() follows where the verdict says so. */
	int (*endpoint_add)(struct devns_endpoint *ep,
			    struct netlink_ext_ack *ack);
	/* Denied and drained before. Handles may still be open. */
	void (*endpoint_del)(struct devns_endpoint *ep);
	/* The last handle is closed: frees priv. Any context that may sleep. */
	void (*endpoint_free)(struct devns_endpoint *ep);
	/* The verdict turned: nothing new begins after this. Does not wait. */
	void (*deny)(struct devns_endpoint *ep);
	/*
	 * Waits for what was under way, until `end` (jiffies); reports what it
	 * cut. Of all that are denied at once; then finish waits for what drain
	 * has started, so that they do it side by side.
	 */
	void (*drain)(struct devns_endpoint *ep, unsigned long end,
		      struct devns_revoked *revoked);
	void (*finish)(struct devns_endpoint *ep);
	void (*allow)(struct devns_endpoint *ep);
	/*
	 * The foreground moves; NULL is the host. All sources leave before the
	 * first one enters; what is denied in the new order is drained before.
	 */
	void (*leave)(struct devns_source_device *s,
		      struct devns_endpoint *old);
	void (*enter)(struct devns_source_device *s,
		      struct devns_endpoint *new);
	/* Whether a program of the host keeps what is in front from being seen;
	 * which. */
	bool (*get_master)(struct devns_source_device *s,
			   struct devns_drm_master *ret);
	/* What is in front is seen from now on; -EBUSY: it is not. */
	int (*claim_scanout)(struct devns_source_device *s);
};

/* main.c */
extern struct mutex devns_mutex;
const struct devns_kind_ops *devns_kind_get(u32 kind);

/* One for each kind; a kind that this build lacks has none. */
extern const struct devns_kind_ops devns_kind_cut;
extern const struct devns_kind_ops devns_kind_suspend;
extern const struct devns_kind_ops devns_kind_input;
extern const struct devns_kind_ops devns_kind_vibrator;
extern const struct devns_kind_ops devns_kind_power;
extern const struct devns_kind_ops devns_kind_led;
extern const struct devns_kind_ops devns_kind_backlight;
extern const struct devns_kind_ops devns_kind_fb;
extern const struct devns_kind_ops devns_kind_mixer;

/* ns.c: all under devns_mutex */
extern struct list_head devns_list;
extern struct devns *devns_active; /* NULL: the host */
struct devns *devns_ns_find(u32 id);
int devns_ns_add(const char *name, struct devns **ret,
		 struct netlink_ext_ack *ack);
void devns_ns_del(struct devns *ns);

/* source_device.c: all under devns_mutex */
extern struct list_head devns_source_devices;
struct devns_source_device *devns_source_device_find(u32 id);
/* `want` has kind, classes, devt and node. */
int devns_source_device_add(const struct devns_source_device *want,
			    struct devns_source_device **ret,
			    struct netlink_ext_ack *ack);
void devns_source_device_del(struct devns_source_device *s);

/* endpoint.c */
int devns_endpoint_add(struct devns *ns, struct devns_source_device *s,
		       struct netlink_ext_ack *ack);
/* Of an endpoint that apply has denied. */
void devns_endpoint_del(struct devns_endpoint *ep);
/* What `ns` has of `s`; NULL: nothing, or the host. */
struct devns_endpoint *devns_endpoint_find(const struct devns_source_device *s,
					   const struct devns *ns);

/* policy.c: all under devns_mutex */
extern u64 devns_generation;
/* Gives and takes what the rights say; for an endpoint that is new. */
void devns_policy_apply(void);
/* Takes `next` of each devns as the new rights. */
void devns_policy_set(u64 generation);
/*
 * Makes ns (NULL: the host) the foreground. -EBUSY: nothing is changed, since
 * it has a display that a program of the host shows something else on.
 */
int devns_policy_set_foreground(struct devns *ns);
/* Denies what is about to be deleted, whatever the rights say. */
void devns_policy_revoke_ns(struct devns *ns);
void devns_policy_revoke_source(struct devns_source_device *s);

/* cdev.c: character devices of ours */
int devns_cdev_init(void);
void devns_cdev_exit(void);
/*
 * Makes "NODE.dID" with these operations, whose open finds the endpoint in
 * file->private_data. parent may be NULL.
 */
int devns_cdev_add(struct devns_endpoint *ep, struct device *parent,
		   const struct file_operations *fops);
void devns_cdev_del(struct devns_endpoint *ep);
bool devns_cdev_is_ours(const struct device *dev);

/* audit_events.c */
void devns_audit_open(struct devns_endpoint *ep);
void devns_audit_close(struct devns_endpoint *ep);
/* One denied operation of the current task. */
void devns_audit_deny(struct devns_endpoint *ep);
void devns_audit_deny_work(struct work_struct *work);
/* Reports what is not reported yet, and no more of this endpoint's denials. */
void devns_audit_end_denials(struct devns_endpoint *ep);
/* `task` may be NULL; else it was killed. */
void devns_audit_revoke(struct devns_endpoint *ep,
			const struct devns_revoked *revoked,
			struct task_struct *task);
void devns_audit_switch(u32 from, u32 to, u64 took);
void devns_audit_mode(u32 ns, u32 cls, struct cells_right right);
void devns_audit_hotkey(u32 ns, u32 combo);

/* power.c */
int devns_power_init(void);
void devns_power_exit(void);
/* A devns has blanked its display, or shows it again. */
void devns_power_set_blank(u32 ns, bool blank);

/* hotkey.c */
/*
 * A key of a real device went down or up. Answers whether that completed a
 * combination of the host, which nobody else is to see. Any context.
 */
bool devns_hotkey_handle_key(u32 code, bool down);
void devns_hotkey_exit(void);

/* netlink.c */
extern struct genl_family devns_family;
int devns_netlink_init(void);
void devns_netlink_exit(void);

#endif

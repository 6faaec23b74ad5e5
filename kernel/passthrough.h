/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pass-through: an endpoint whose handles pass to open files of a real
 * device. What a program holds is always ours, so it can be denied; the real
 * file is reachable only through calls that are counted while they last.
 *
 * Each call in flight, a page fault too, is on its endpoint's list. A denial
 * sets `denied`, pokes the tasks on that list (inflight.c), takes the pages out
 * of every mapping (mapping.c) and then waits for the list to run empty. Of a
 * kind that cuts, the real files are then closed, by a worker: a file's last
 * reference is dropped at once only there. A call that outlives the wait keeps
 * its handle's real file; its end hands that to the worker.
 */
#ifndef DEVNS_PASSTHROUGH_H
#define DEVNS_PASSTHROUGH_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/poll.h>
#include <linux/rwsem.h>
#include <linux/wait.h>

#include "devns.h"
#include "real_device.h"

struct devns_handle;
struct devns_ioctl_range;

/* What a kind adds to the rules that hold for all devices (ioctls.c). */
struct devns_filter {
	/* 0, or why this one is refused. */
	int (*ioctl)(struct devns_endpoint *ep, struct file *real,
		     unsigned int cmd, unsigned long arg);
	/* In place of the device's own; NULL: the device's. */
	ssize_t (*write)(struct devns_endpoint *ep, const char __user *buf,
			 size_t len);
};

/* What may be done through a handle of a subsystem's devices (ioctls.c). */
struct devns_ioctl_rules {
	const char *subsystem;
	const struct devns_ioctl_range *ioctls;
	bool maps;
	bool is_tty;
};

struct devns_passthrough {
	struct devns_endpoint *ep;
	dev_t real;
	const struct path *path; /* where the number leads elsewhere, or NULL */
	bool close_on_deny;
	bool exclusive; /* TIOCEXCL of the endpoint's own */
	const struct devns_ioctl_rules *ioctl_rules;
	const struct devns_filter *filter; /* may be NULL */
	struct inode *inode;		   /* the mappings' address space */
	struct rw_semaphore faults;	   /* read: a page is put in */
	wait_queue_head_t drained;
	struct work_struct close_work;

	spinlock_t lock; /* of all below, and of the handles' fields */
	bool denied;
	bool gone;
	struct list_head calls;
	struct list_head open;	      /* handles with a real file */
	struct list_head closed;      /* without */
	struct list_head closing;     /* for the worker */
	struct devns_revoked revoked; /* what the last denial found */
};

/* What is open; the file's and, while it works, the worker's. */
struct devns_handle {
	struct kref ref; /* and page faults */
	struct devns_passthrough *pass;
	struct file *file; /* ours; not counted, it ends after the calls */
	u32 ops;	   /* the real file's operations (real_device.h) */
	struct mutex opening;
	struct mutex maps_lock;
	struct list_head maps;

	/* Under pass->lock. */
	struct list_head link; /* one of the endpoint's lists */
	struct file *real;     /* NULL: cut, or not yet open */
	u32 calls;
	bool closing;  /* real is to be closed; the worker's reference */
	bool released; /* its file is gone */

	/* The driver's wake-ups come here; see poll.c. */
	wait_queue_head_t wait;
	struct fasync_struct *fasync;
	spinlock_t poll_lock;
	struct list_head poll_entries;
};

/* A call in flight, on the stack of who makes it. */
struct devns_call {
	struct list_head link;
	struct devns_handle *handle;
	struct task_struct *task;
	struct file *real;
	bool interrupted;
	bool killed;
};

/* passthrough.c */
int devns_passthrough_add(struct devns_endpoint *ep, dev_t real,
			  bool close_on_deny, const struct devns_filter *filter,
			  struct netlink_ext_ack *ack);
void devns_passthrough_del(struct devns_endpoint *ep);
void devns_passthrough_free(struct devns_endpoint *ep);
void devns_passthrough_deny(struct devns_endpoint *ep);
void devns_passthrough_drain(struct devns_endpoint *ep, unsigned long end,
			     struct devns_revoked *revoked);
void devns_passthrough_finish(struct devns_endpoint *ep);
void devns_passthrough_allow(struct devns_endpoint *ep);

/* handle.c */
/* On the endpoint's list, without a real file; NULL: no memory. */
struct devns_handle *devns_handle_new(struct devns_endpoint *ep,
				      struct file *file);
/* Keeps it, its pass-through and its endpoint. */
void devns_handle_get(struct devns_handle *h);
void devns_handle_put(struct devns_handle *h);
/* No file holds it any more. Where the worker has it, that closes it. */
void devns_handle_release(struct devns_handle *h);
/*
 * The worker closes its real file: what is mapped, our queue entries, it; and
 * gives up the reference that it had for this.
 */
void devns_handle_close(struct devns_handle *h);

/* poll.c */
/* Asks the driver of the real file, and puts us on its queues. */
__poll_t devns_poll_forward(struct devns_handle *h, struct file *real,
			    __poll_t events);
/* Takes our entries off the driver's queues. */
void devns_poll_detach(struct devns_handle *h);

/* inflight.c */
/*
 * Begins a call: 0 and call->real, or -EACCES (denied), -ENODEV (gone), or what
 * the driver's open says. Reopens the real device where it was cut, unless
 * the caller holds locks under which a driver's open may not run.
 */
int devns_inflight_begin(struct devns_handle *h, struct devns_call *call,
			 bool may_open);
/* Answers what the call returns: -EACCES if a denial has ended it. */
long devns_inflight_end(struct devns_call *call, long ret);
/* Under the lock: ends the sleep of every call. */
void devns_inflight_interrupt(struct devns_passthrough *p);
/* Waits until `end`; then kills what is left and returns how many. */
u32 devns_inflight_drain(struct devns_passthrough *p, unsigned long end);

/* passthrough_fops.c */
void devns_passthrough_fops_exit(void);
extern const struct file_operations devns_passthrough_fops;

/* mapping.c */
int devns_mapping_mmap(struct file *file, struct vm_area_struct *vma);
/* Closes what the driver has mapped for a handle, for ever. */
void devns_mapping_close(struct devns_handle *h);

/* ioctls.c */
/* Of the device of that number. */
const struct devns_ioctl_rules *devns_ioctls_find_rules(dev_t devt);
/* 0; -ENOTTY, as of a driver that lacks it; or what the kind says. */
int devns_ioctls_check(const struct devns_passthrough *p, struct file *real,
		       unsigned int cmd, unsigned long arg);

/* main.c */
extern struct workqueue_struct *devns_wq;

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power. Each devns has wake locks, in nodes that work as /sys/power/wake_lock
 * and wake_unlock do; the host has its own, /dev/devns/wake_lock. Those of the
 * host and of the foreground veto a suspend, those of the background do not. A
 * lock outlives the handle that took it (programs write a name and close) and
 * ends by its name, its timeout, a verdict none, or with its devns.
 *
 * The node `screen` says whether the devns is seen: it is not in the
 * background, nor while the device is suspended or the devns has blanked its
 * display. `state` suspends the device, from the foreground only.
 */
#include "attr_node.h"
#include "devns.h"

#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>

/* What one devns may hold, as the kernel's own interface limits it. */
#define LOCKS_MAX 100

struct wake_lock {
	struct list_head link;
	ktime_t until; /* boot time, 0: no end */
	char name[ATTR_NODE_LINE_MAX];
};

/* What the nodes of one devns share. */
struct ns_power {
	struct list_head link;
	u32 ns; /* 0: the host */
	u32 nodes;
	bool blank;
	struct list_head locks;
	u32 n_locks;
};

struct power_node {
	struct devns_attr_node attr; /* first */
	struct ns_power *power;
	struct list_head link; /* screens */
};

/*
 * Of all below. After devns_mutex and devns_attr_node.lock. Never held across a
 * suspend.
 */
static DEFINE_MUTEX(power_lock);
static struct ns_power host = {
	.link = LIST_HEAD_INIT(host.link),
	.locks = LIST_HEAD_INIT(host.locks),
};
static LIST_HEAD(powers);
static LIST_HEAD(screens);
static u32 front; /* of the devns, 0: the host */
static bool suspending;

/* ---- locks */

static void free_wake_lock(struct ns_power *p, struct wake_lock *lock)
{
	list_del(&lock->link);
	p->n_locks--;
	kfree(lock);
}

/* Those whose time is over go by the way. */
static bool has_wake_locks(struct ns_power *p)
{
	ktime_t now = ktime_get_boottime();
	struct wake_lock *lock, *tmp;

	list_for_each_entry_safe (lock, tmp, &p->locks, link) {
		if (lock->until && ktime_after(now, lock->until))
			free_wake_lock(p, lock);
	}
	return p->n_locks;
}

static void release_wake_locks(struct ns_power *p)
{
	struct wake_lock *lock, *tmp;

	list_for_each_entry_safe (lock, tmp, &p->locks, link) {
		free_wake_lock(p, lock);
	}
}

static bool is_suspend_voter(const struct ns_power *p)
{
	return !p->ns || p->ns == front;
}

/* Is there one that keeps the device awake? */
static bool is_suspend_vetoed(void)
{
	struct ns_power *p;

	if (has_wake_locks(&host))
		return true;
	list_for_each_entry (p, &powers, link) {
		if (is_suspend_voter(p) && has_wake_locks(p))
			return true;
	}
	return false;
}

static struct wake_lock *find_wake_lock(struct ns_power *p, const char *name)
{
	struct wake_lock *lock;

	list_for_each_entry (lock, &p->locks, link) {
		if (!strcmp(lock->name, name))
			return lock;
	}
	return NULL;
}

static struct ns_power *get_node_power(struct devns_attr_node *attr)
{
	return container_of(attr, struct power_node, attr)->power;
}

static ssize_t show_wake_locks(struct devns_attr_node *attr, char *buf)
{
	struct ns_power *p = get_node_power(attr);
	struct wake_lock *lock;
	ssize_t len = 0;

	mutex_lock(&power_lock);
	has_wake_locks(p);
	list_for_each_entry (lock, &p->locks, link) {
		len += scnprintf(buf + len, PAGE_SIZE - len, "%s%s",
				 len ? " " : "", lock->name);
	}
	mutex_unlock(&power_lock);
	return len + scnprintf(buf + len, PAGE_SIZE - len, "\n");
}

static int add_wake_lock(struct ns_power *p, const char *name, u64 ns)
{
	struct wake_lock *lock = find_wake_lock(p, name);

	if (!lock) {
		has_wake_locks(p);
		if (p->n_locks >= LOCKS_MAX)
			return -ENOSPC;
		lock = kzalloc(sizeof(*lock), GFP_KERNEL);
		if (!lock)
			return -ENOMEM;
		strscpy(lock->name, name, sizeof(lock->name));
		list_add_tail(&lock->link, &p->locks);
		p->n_locks++;
	}
	lock->until = ns ? ktime_add_ns(ktime_get_boottime(), ns) : 0;
	/* A suspend that has already started is given up. */
	if (suspending && is_suspend_voter(p))
		pm_system_wakeup();
	return 0;
}

/* "NAME" or "NAME NANOSECONDS" */
static int store_wake_lock(struct devns_attr_node *attr, char *line)
{
	char *name = strsep(&line, " \t");
	u64 ns = 0;
	int err;

	if (line &&
	    (kstrtou64(strim(line), 10, &ns) || !ns || ns > S64_MAX / 2))
		return -EINVAL;
	mutex_lock(&power_lock);
	err = add_wake_lock(get_node_power(attr), name, ns);
	mutex_unlock(&power_lock);
	return err;
}

static int store_wake_unlock(struct devns_attr_node *attr, char *line)
{
	struct ns_power *p = get_node_power(attr);
	struct wake_lock *lock;

	mutex_lock(&power_lock);
	lock = find_wake_lock(p, line);
	if (lock)
		free_wake_lock(p, lock);
	mutex_unlock(&power_lock);
	return lock ? 0 : -EINVAL;
}

/* ---- the screen, and suspending */

static ssize_t show_screen_state(struct devns_attr_node *attr, char *buf)
{
	const struct ns_power *p = get_node_power(attr);
	bool on;

	mutex_lock(&power_lock);
	on = p->ns == front && !p->blank && !suspending;
	mutex_unlock(&power_lock);
	return sysfs_emit(buf, "%s\n", on ? "on" : "off");
}

static void notify_screen_change(u32 ns, bool all)
{
	struct power_node *n;

	list_for_each_entry (n, &screens, link) {
		if (all || n->power->ns == ns)
			devns_attr_node_notify(&n->attr);
	}
}

void devns_power_set_blank(u32 ns, bool blank)
{
	struct ns_power *p;

	mutex_lock(&power_lock);
	list_for_each_entry (p, &powers, link) {
		if (p->ns != ns || p->blank == blank)
			continue;
		p->blank = blank;
		notify_screen_change(ns, false);
	}
	mutex_unlock(&power_lock);
}

static suspend_state_t suspend_to;

/* Not by the writer, who holds the node's lock; it is frozen soon enough. */
static void run_device_suspend(struct work_struct *work)
{
	pm_suspend(READ_ONCE(suspend_to));
}

static DECLARE_WORK(suspend_work, run_device_suspend);

static ssize_t show_sleep_states(struct devns_attr_node *attr, char *buf)
{
	return sysfs_emit(buf, "freeze mem\n");
}

static int store_sleep_state(struct devns_attr_node *attr, char *line)
{
	bool mem = !strcmp(line, "mem");
	int err = 0;

	if (!mem && strcmp(line, "freeze"))
		return -EINVAL;
	mutex_lock(&power_lock);
	/* In the background it believes that it slept, and goes on. */
	if (is_suspend_voter(get_node_power(attr))) {
		suspend_to = mem ? PM_SUSPEND_MEM : PM_SUSPEND_TO_IDLE;
		if (is_suspend_vetoed())
			err = -EBUSY;
		else
			schedule_work(&suspend_work);
	}
	mutex_unlock(&power_lock);
	return err;
}

static int handle_suspend_prepare(void)
{
	bool awake;

	mutex_lock(&power_lock);
	awake = is_suspend_vetoed();
	if (!awake) {
		suspending = true;
		notify_screen_change(front, false);
	}
	mutex_unlock(&power_lock);
	return awake ? notifier_from_errno(-EBUSY) : NOTIFY_OK;
}

static void handle_suspend_end(void)
{
	mutex_lock(&power_lock);
	if (suspending) {
		suspending = false;
		notify_screen_change(front, false);
	}
	mutex_unlock(&power_lock);
}

static int handle_pm_event(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	switch (action) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
		return handle_suspend_prepare();
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
		handle_suspend_end();
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = handle_pm_event };

/* ---- the kind */

static const struct devns_attr_node_ops lock_ops = {
	.show = show_wake_locks,
	.store = store_wake_lock,
};
static const struct devns_attr_node_ops unlock_ops = {
	.show = show_wake_locks,
	.store = store_wake_unlock,
};
static const struct devns_attr_node_ops screen_ops = {
	.show = show_screen_state,
};
static const struct devns_attr_node_ops state_ops = {
	.show = show_sleep_states,
	.store = store_sleep_state,
};

static const struct {
	const char *node;
	const struct devns_attr_node_ops *ops;
} nodes[] = {
	{ "power/wake_lock", &lock_ops },
	{ "power/wake_unlock", &unlock_ops },
	{ "power/screen", &screen_ops },
	{ "power/state", &state_ops },
};

static const struct devns_attr_node_ops *find_node_ops(const char *node)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++)
		if (!strcmp(nodes[i].node, node))
			return nodes[i].ops;
	return NULL;
}

static int power_source_add(struct devns_source_device *s,
			    struct netlink_ext_ack *ack)
{
	if (find_node_ops(s->node))
		return 0;
	NL_SET_ERR_MSG(ack, "power has wake_lock, wake_unlock, screen, state");
	return -EINVAL;
}

static struct ns_power *get_ns_power(u32 ns)
{
	struct ns_power *p;

	list_for_each_entry (p, &powers, link) {
		if (p->ns == ns) {
			p->nodes++;
			return p;
		}
	}
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return NULL;
	p->ns = ns;
	p->nodes = 1;
	INIT_LIST_HEAD(&p->locks);
	list_add(&p->link, &powers);
	return p;
}

static void put_ns_power(struct ns_power *p)
{
	if (--p->nodes)
		return;
	release_wake_locks(p);
	list_del(&p->link);
	kfree(p);
}

static int power_endpoint_add(struct devns_endpoint *ep,
			      struct netlink_ext_ack *ack)
{
	struct power_node *n = kzalloc(sizeof(*n), GFP_KERNEL);
	int err;

	if (!n)
		return -ENOMEM;
	INIT_LIST_HEAD(&n->link);
	devns_attr_node_init(&n->attr, find_node_ops(ep->node));
	mutex_lock(&power_lock);
	n->power = get_ns_power(ep->ns_id);
	if (n->power && n->attr.ops == &screen_ops)
		list_add(&n->link, &screens);
	mutex_unlock(&power_lock);
	if (!n->power) {
		kfree(n);
		return -ENOMEM;
	}
	err = devns_attr_node_add(ep, &n->attr);
	if (err) {
		NL_SET_ERR_MSG(ack, "the endpoint's node cannot be made");
		mutex_lock(&power_lock);
		list_del(&n->link);
		put_ns_power(n->power);
		mutex_unlock(&power_lock);
	}
	return err;
}

static void power_endpoint_del(struct devns_endpoint *ep)
{
	struct power_node *n = ep->priv;

	mutex_lock(&power_lock);
	list_del(&n->link);
	put_ns_power(n->power);
	mutex_unlock(&power_lock);
}

static void power_endpoint_free(struct devns_endpoint *ep)
{
	kfree(ep->priv);
}

static void power_deny(struct devns_endpoint *ep)
{
	struct power_node *n = ep->priv;

	devns_attr_node_deny(&n->attr);
	mutex_lock(&power_lock);
	release_wake_locks(n->power);
	mutex_unlock(&power_lock);
}

static void power_allow(struct devns_endpoint *ep)
{
	devns_attr_node_allow(ep->priv);
}

static void power_enter(struct devns_source_device *s,
			struct devns_endpoint *new)
{
	u32 old;

	mutex_lock(&power_lock);
	old = front;
	front = new ? new->ns_id : 0;
	/* What the new one held in the background counts from now on. */
	if (suspending && is_suspend_vetoed())
		pm_system_wakeup();
	if (front != old) {
		notify_screen_change(old, false);
		notify_screen_change(front, false);
	}
	mutex_unlock(&power_lock);
}

const struct devns_kind_ops devns_kind_power = {
	.is_virtual = true,
	.source_add = power_source_add,
	.endpoint_add = power_endpoint_add,
	.endpoint_del = power_endpoint_del,
	.endpoint_free = power_endpoint_free,
	.deny = power_deny,
	.drain = devns_attr_node_drain,
	.allow = power_allow,
	.enter = power_enter,
};

/* ---- the host's own */

static struct power_node host_lock = { .power = &host };
static struct power_node host_unlock = { .power = &host };

static int open_host_node(struct inode *inode, struct file *file);

static const struct file_operations host_fops = {
	.owner = THIS_MODULE,
	.open = open_host_node,
};

static struct miscdevice host_devices[] = {
	{ .minor = MISC_DYNAMIC_MINOR,
	  .name = "devns_wake_lock",
	  .nodename = "devns/wake_lock",
	  .mode = 0600,
	  .fops = &host_fops },
	{ .minor = MISC_DYNAMIC_MINOR,
	  .name = "devns_wake_unlock",
	  .nodename = "devns/wake_unlock",
	  .mode = 0600,
	  .fops = &host_fops },
};

static int open_host_node(struct inode *inode, struct file *file)
{
	bool lock = file->private_data == &host_devices[0];

	/* The file's claim on the module, once more, for its new table. */
	__module_get(THIS_MODULE);
	replace_fops(file, &devns_attr_node_fops);
	return devns_attr_node_open(file,
				    lock ? &host_lock.attr : &host_unlock.attr);
}

int devns_power_init(void)
{
	int err;

	devns_attr_node_init(&host_lock.attr, &lock_ops);
	devns_attr_node_init(&host_unlock.attr, &unlock_ops);
	err = misc_register(&host_devices[0]);
	if (err)
		return err;
	err = misc_register(&host_devices[1]);
	if (err)
		goto first;
	err = register_pm_notifier(&notifier);
	if (err)
		goto second;
	return 0;
second:
	misc_deregister(&host_devices[1]);
first:
	misc_deregister(&host_devices[0]);
	return err;
}

void devns_power_exit(void)
{
	cancel_work_sync(&suspend_work);
	unregister_pm_notifier(&notifier);
	misc_deregister(&host_devices[1]);
	misc_deregister(&host_devices[0]);
	mutex_lock(&power_lock);
	release_wake_locks(&host);
	mutex_unlock(&power_lock);
}

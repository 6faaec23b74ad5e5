// SPDX-License-Identifier: GPL-2.0
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
#include "devns.h"
#include "text_node.h"

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
	char name[TEXT_LINE_MAX];
};

/* What the nodes of one devns share. */
struct power {
	struct list_head link;
	u32 ns; /* 0: the host */
	u32 nodes;
	bool blank;
	struct list_head locks;
	u32 n_locks;
};

struct power_node {
	struct devns_textnode text; /* first */
	struct power *power;
	struct list_head link; /* screens */
};

/*
 * Of all below. After devns_mutex and a text's lock. Never held across a
 * suspend.
 */
static DEFINE_MUTEX(power_lock);
static struct power host = {
	.link = LIST_HEAD_INIT(host.link),
	.locks = LIST_HEAD_INIT(host.locks),
};
static LIST_HEAD(powers);
static LIST_HEAD(screens);
static u32 front; /* of the devns, 0: the host */
static bool suspending;

/* ---- locks */

static void lock_free(struct power *p, struct wake_lock *lock)
{
	list_del(&lock->link);
	p->n_locks--;
	kfree(lock);
}

/* Those whose time is over go by the way. */
static bool is_held(struct power *p)
{
	ktime_t now = ktime_get_boottime();
	struct wake_lock *lock, *tmp;

	list_for_each_entry_safe (lock, tmp, &p->locks, link) {
		if (lock->until && ktime_after(now, lock->until))
			lock_free(p, lock);
	}
	return p->n_locks;
}

static void release_all(struct power *p)
{
	struct wake_lock *lock, *tmp;

	list_for_each_entry_safe (lock, tmp, &p->locks, link) {
		lock_free(p, lock);
	}
}

static bool counts(const struct power *p)
{
	return !p->ns || p->ns == front;
}

/* Is there one that keeps the device awake? */
static bool is_awake(void)
{
	struct power *p;

	if (is_held(&host))
		return true;
	list_for_each_entry (p, &powers, link) {
		if (counts(p) && is_held(p))
			return true;
	}
	return false;
}

static struct wake_lock *lock_find(struct power *p, const char *name)
{
	struct wake_lock *lock;

	list_for_each_entry (lock, &p->locks, link) {
		if (!strcmp(lock->name, name))
			return lock;
	}
	return NULL;
}

static struct power *power_of(struct devns_textnode *t)
{
	return container_of(t, struct power_node, text)->power;
}

static ssize_t lock_show(struct devns_textnode *t, char *buf)
{
	struct power *p = power_of(t);
	struct wake_lock *lock;
	ssize_t len = 0;

	mutex_lock(&power_lock);
	is_held(p);
	list_for_each_entry (lock, &p->locks, link) {
		len += scnprintf(buf + len, PAGE_SIZE - len, "%s%s",
				 len ? " " : "", lock->name);
	}
	mutex_unlock(&power_lock);
	return len + scnprintf(buf + len, PAGE_SIZE - len, "\n");
}

static int lock_take(struct power *p, const char *name, u64 ns)
{
	struct wake_lock *lock = lock_find(p, name);

	if (!lock) {
		is_held(p);
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
	/* A suspend that has begun already is given up. */
	if (suspending && counts(p))
		pm_system_wakeup();
	return 0;
}

/* "NAME" or "NAME NANOSECONDS" */
static int lock_store(struct devns_textnode *t, char *line)
{
	char *name = strsep(&line, " \t");
	u64 ns = 0;
	int err;

	if (line &&
	    (kstrtou64(strim(line), 10, &ns) || !ns || ns > S64_MAX / 2))
		return -EINVAL;
	mutex_lock(&power_lock);
	err = lock_take(power_of(t), name, ns);
	mutex_unlock(&power_lock);
	return err;
}

static int unlock_store(struct devns_textnode *t, char *line)
{
	struct power *p = power_of(t);
	struct wake_lock *lock;

	mutex_lock(&power_lock);
	lock = lock_find(p, line);
	if (lock)
		lock_free(p, lock);
	mutex_unlock(&power_lock);
	return lock ? 0 : -EINVAL;
}

/* ---- the screen, and suspending */

static ssize_t screen_show(struct devns_textnode *t, char *buf)
{
	const struct power *p = power_of(t);
	bool on;

	mutex_lock(&power_lock);
	on = p->ns == front && !p->blank && !suspending;
	mutex_unlock(&power_lock);
	return sysfs_emit(buf, "%s\n", on ? "on" : "off");
}

static void screens_changed(u32 ns, bool all)
{
	struct power_node *n;

	list_for_each_entry (n, &screens, link) {
		if (all || n->power->ns == ns)
			devns_textnode_changed(&n->text);
	}
}

void devns_power_blank(u32 ns, bool blank)
{
	struct power *p;

	mutex_lock(&power_lock);
	list_for_each_entry (p, &powers, link) {
		if (p->ns != ns || p->blank == blank)
			continue;
		p->blank = blank;
		screens_changed(ns, false);
	}
	mutex_unlock(&power_lock);
}

static suspend_state_t suspend_to;

/* Not by the writer, who holds a text's lock; it is frozen soon enough. */
static void suspend_now(struct work_struct *work)
{
	pm_suspend(READ_ONCE(suspend_to));
}

static DECLARE_WORK(suspend_work, suspend_now);

static ssize_t state_show(struct devns_textnode *t, char *buf)
{
	return sysfs_emit(buf, "freeze mem\n");
}

static int state_store(struct devns_textnode *t, char *line)
{
	bool mem = !strcmp(line, "mem");
	int err = 0;

	if (!mem && strcmp(line, "freeze"))
		return -EINVAL;
	mutex_lock(&power_lock);
	/* In the background it believes that it slept, and goes on. */
	if (counts(power_of(t))) {
		suspend_to = mem ? PM_SUSPEND_MEM : PM_SUSPEND_TO_IDLE;
		if (is_awake())
			err = -EBUSY;
		else
			schedule_work(&suspend_work);
	}
	mutex_unlock(&power_lock);
	return err;
}

static int suspend_begins(void)
{
	bool awake;

	mutex_lock(&power_lock);
	awake = is_awake();
	if (!awake) {
		suspending = true;
		screens_changed(front, false);
	}
	mutex_unlock(&power_lock);
	return awake ? notifier_from_errno(-EBUSY) : NOTIFY_OK;
}

static void suspend_is_over(void)
{
	mutex_lock(&power_lock);
	if (suspending) {
		suspending = false;
		screens_changed(front, false);
	}
	mutex_unlock(&power_lock);
}

static int notify(struct notifier_block *nb, unsigned long action, void *data)
{
	switch (action) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
		return suspend_begins();
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
		suspend_is_over();
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = notify };

/* ---- the kind */

static const struct devns_textnode_ops lock_ops = {
	.show = lock_show,
	.store = lock_store,
};
static const struct devns_textnode_ops unlock_ops = {
	.show = lock_show,
	.store = unlock_store,
};
static const struct devns_textnode_ops screen_ops = {
	.show = screen_show,
};
static const struct devns_textnode_ops state_ops = {
	.show = state_show,
	.store = state_store,
};

static const struct {
	const char *node;
	const struct devns_textnode_ops *ops;
} nodes[] = {
	{ "power/wake_lock", &lock_ops },
	{ "power/wake_unlock", &unlock_ops },
	{ "power/screen", &screen_ops },
	{ "power/state", &state_ops },
};

static const struct devns_textnode_ops *ops_of(const char *node)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++)
		if (!strcmp(nodes[i].node, node))
			return nodes[i].ops;
	return NULL;
}

static int power_source_add(struct devns_source *s, struct netlink_ext_ack *ack)
{
	if (ops_of(s->node))
		return 0;
	NL_SET_ERR_MSG(ack, "power has wake_lock, wake_unlock, screen, state");
	return -EINVAL;
}

static struct power *power_get(u32 ns)
{
	struct power *p;

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

static void power_put(struct power *p)
{
	if (--p->nodes)
		return;
	release_all(p);
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
	devns_textnode_init(&n->text, ops_of(ep->node));
	mutex_lock(&power_lock);
	n->power = power_get(ep->ns_id);
	if (n->power && n->text.ops == &screen_ops)
		list_add(&n->link, &screens);
	mutex_unlock(&power_lock);
	if (!n->power) {
		kfree(n);
		return -ENOMEM;
	}
	err = devns_textnode_add(ep, &n->text);
	if (err) {
		NL_SET_ERR_MSG(ack, "the endpoint's node cannot be made");
		mutex_lock(&power_lock);
		list_del(&n->link);
		power_put(n->power);
		mutex_unlock(&power_lock);
	}
	return err;
}

static void power_endpoint_del(struct devns_endpoint *ep)
{
	struct power_node *n = ep->priv;

	mutex_lock(&power_lock);
	list_del(&n->link);
	power_put(n->power);
	mutex_unlock(&power_lock);
}

static void power_endpoint_free(struct devns_endpoint *ep)
{
	kfree(ep->priv);
}

static void power_deny(struct devns_endpoint *ep)
{
	struct power_node *n = ep->priv;

	devns_textnode_deny(&n->text);
	mutex_lock(&power_lock);
	release_all(n->power);
	mutex_unlock(&power_lock);
}

static void power_allow(struct devns_endpoint *ep)
{
	devns_textnode_allow(ep->priv);
}

static void power_enter(struct devns_source *s, struct devns_endpoint *new)
{
	u32 old;

	mutex_lock(&power_lock);
	old = front;
	front = new ? new->ns_id : 0;
	/* What the new one held in the background counts from now on. */
	if (suspending && is_awake())
		pm_system_wakeup();
	if (front != old) {
		screens_changed(old, false);
		screens_changed(front, false);
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
	.drain = devns_textnode_drain,
	.allow = power_allow,
	.enter = power_enter,
};

/* ---- the host's own */

static struct power_node host_lock = { .power = &host };
static struct power_node host_unlock = { .power = &host };

static int host_open(struct inode *inode, struct file *file);

static const struct file_operations host_fops = {
	.owner = THIS_MODULE,
	.open = host_open,
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

static int host_open(struct inode *inode, struct file *file)
{
	bool lock = file->private_data == &host_devices[0];

	/* The file's claim on the module, once more, for its new table. */
	__module_get(THIS_MODULE);
	replace_fops(file, &devns_textnode_fops);
	return devns_textnode_open(file,
				   lock ? &host_lock.text : &host_unlock.text);
}

int devns_power_init(void)
{
	int err;

	devns_textnode_init(&host_lock.text, &lock_ops);
	devns_textnode_init(&host_unlock.text, &unlock_ops);
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
	release_all(&host);
	mutex_unlock(&power_lock);
}

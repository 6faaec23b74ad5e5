// SPDX-License-Identifier: GPL-2.0-only
/*
 * The input device that a devns sees in place of the real one. It can
 * what the real one can, and is read through an event node of its own, so a
 * grab is per devns. Only evdev is attached to it: see expose_capabilities().
 * The event node is there for the endpoint only: see hide_event_node().
 */
#include "virtual_input.h"
#include "force_feedback.h"
#include "real_device.h"
#include "real_input.h"

#include <linux/bitmap.h>
#include <linux/cdev.h>
#include <linux/compat.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/input/mt.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Somebody on the host may open each new node at once; hardly as often. */
#define TRIES_MAX 5

/*
 * A real device's event lock is held when events are passed to a virtual
 * device; and a virtual device's mutex when its effects are erased, under which
 * come devns_real_input.lock and the real device's mutex.
 */
static struct lock_class_key virtual_event_lock, virtual_mutex;

/* Under the virtual device's event lock; also at input_reset_device(). */
static int handle_virtual_event(struct input_dev *dev, unsigned int type,
				unsigned int code, int value)
{
	struct devns_virtual_input *v = input_get_drvdata(dev);

	if (type == EV_FF)
		return dev->ff ? input_ff_event(dev, type, code, value) : 0;
	if (type == EV_SND && code < SND_CNT)
		WRITE_ONCE(v->sound[code], value);
	if (type == EV_LED || type == EV_SND)
		devns_real_input_schedule_update(v->real);
	return 0;
}

bool devns_virtual_input_is_ours(const struct input_dev *dev)
{
	return dev->event == handle_virtual_event;
}

static int copy_absolute_axes(struct input_dev *dev,
			      const struct input_dev *real)
{
	int i, err;

	if (real->mt) {
		err = input_mt_init_slots(dev, real->mt->num_slots, 0);
		if (err)
			return err;
		/* Not yet: see expose_capabilities(). */
		bitmap_zero(dev->evbit, EV_CNT);
	}
	if (!real->absinfo)
		return 0;
	input_alloc_absinfo(dev);
	if (!dev->absinfo)
		return -ENOMEM;
	for (i = 0; i < ABS_CNT; i++) {
		dev->absinfo[i] = real->absinfo[i];
		/* Where others touched is not passed on; noise is filtered
		 * once. */
		dev->absinfo[i].fuzz = 0;
		dev->absinfo[i].value = clamp(0, real->absinfo[i].minimum,
					      real->absinfo[i].maximum);
	}
	if (real->mt)
		dev->absinfo[ABS_MT_SLOT].value = 0;
	return 0;
}

#define COPY_BITS(to, from, bits)                                              \
	bitmap_copy((to)->bits, (from)->bits, BITS_PER_TYPE((to)->bits))

/*
 * Says what the device can only after it is registered: the keyboard, SysRq,
 * LED and mouse handlers of the host look at that moment, find nothing for them
 * and leave the device alone. evdev takes all. udev finds no power key either,
 * so no daemon of the host acts on one that a devns gets.
 */
static void expose_capabilities(struct input_dev *dev,
				const struct input_dev *real, bool only_ff)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->event_lock, flags);
	if (dev->ff)
		__set_bit(EV_FF, dev->evbit);
	if (only_ff)
		goto out;
	COPY_BITS(dev, real, propbit);
	COPY_BITS(dev, real, keybit);
	COPY_BITS(dev, real, relbit);
	COPY_BITS(dev, real, absbit);
	COPY_BITS(dev, real, mscbit);
	COPY_BITS(dev, real, ledbit);
	COPY_BITS(dev, real, sndbit);
	COPY_BITS(dev, real, swbit);
	COPY_BITS(dev, real, sw);
	COPY_BITS(dev, real, evbit);
	__assign_bit(EV_FF, dev->evbit, dev->ff != NULL);
out:
	spin_unlock_irqrestore(&dev->event_lock, flags);
}

static int is_event_node(struct device *dev, void *data)
{
	return !strncmp(dev_name(dev), "event", 5);
}

static int find_event_node(struct devns_virtual_input *v)
{
	struct device *node =
		device_find_child(&v->dev->dev, NULL, is_event_node);

	if (!node)
		return -ENXIO;
	v->devt = node->devt;
	put_device(node);
	return 0;
}

static int reject_node_open(struct inode *inode, struct file *file)
{
	return -ENODEV;
}

static const struct file_operations blocked_fops = {
	.owner = THIS_MODULE,
	.open = reject_node_open,
};

/*
 * evdev gives each input device a node on the host, where a display server
 * would take it for one of its own, and hear what is typed in the devns. So
 * another character device is put before evdev's under the same number: who
 * opens it from now on finds that. The endpoint has an inode that knows
 * evdev's already. -EAGAIN: somebody was quicker, and has such an inode too.
 */
static int hide_event_node(struct devns_virtual_input *v)
{
	struct file *file =
		devns_real_device_open(v->devt, O_RDONLY | O_NONBLOCK);
	const struct cdev *evdev;
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	evdev = file_inode(file)->i_cdev;
	v->path = file->f_path;
	path_get(&v->path);
	fput(file);
	v->blocked_cdev = cdev_alloc();
	if (!v->blocked_cdev)
		return -ENOMEM;
	v->blocked_cdev->ops = &blocked_fops;
	v->blocked_cdev->owner = THIS_MODULE;
	err = cdev_add(v->blocked_cdev, v->devt, 1);
	if (err) {
		kobject_put(&v->blocked_cdev->kobj);
		v->blocked_cdev = NULL;
		return err;
	}
	return list_is_singular(&evdev->list) ? 0 : -EAGAIN;
}

static struct input_dev *allocate_input_device(struct devns_virtual_input *v,
					       const struct input_dev *real)
{
	struct input_dev *dev = input_allocate_device();

	if (!dev)
		return NULL;
	lockdep_set_class(&dev->event_lock, &virtual_event_lock);
	lockdep_set_class(&dev->mutex, &virtual_mutex);
	dev->name = v->name;
	dev->phys = v->phys;
	dev->id = real->id;
	/* A whole resynchronisation fits in beside a full packet. */
	dev->hint_events_per_packet = real->hint_events_per_packet + ABS_CNT;
	input_set_drvdata(dev, v);
	return dev;
}

static int try_virtual_input(struct devns_real_input *r, u32 ns,
			     struct devns_virtual_input **ret)
{
	struct devns_virtual_input *v = kzalloc(sizeof(*v), GFP_KERNEL);
	int err;

	if (!v)
		return -ENOMEM;
	v->real = r;
	strscpy(v->name, r->dev->name ?: "", sizeof(v->name));
	snprintf(v->phys, sizeof(v->phys), "devns%u/input", ns);
	v->dev = allocate_input_device(v, r->dev);
	if (!v->dev) {
		kfree(v);
		return -ENOMEM;
	}
	err = r->only_ff ? 0 : copy_absolute_axes(v->dev, r->dev);
	if (!err)
		err = devns_force_feedback_add(v, r->dev);
	/* It begins after the device is whole: input core calls it at once. */
	v->dev->event = handle_virtual_event;
	if (!err)
		err = input_register_device(v->dev);
	if (err) {
		input_free_device(v->dev);
		devns_force_feedback_free(v);
		kfree(v);
		return err;
	}
	expose_capabilities(v->dev, r->dev, r->only_ff);
	err = find_event_node(v) ?: hide_event_node(v);
	if (err) {
		devns_virtual_input_free(v);
		return err;
	}
	*ret = v;
	return 0;
}

int devns_virtual_input_new(struct devns_real_input *r, u32 ns,
			    struct devns_virtual_input **ret)
{
	int i, err = -EAGAIN;

	for (i = 0; err == -EAGAIN && i < TRIES_MAX; i++)
		err = try_virtual_input(r, ns, ret);
	return err;
}

void devns_virtual_input_free(struct devns_virtual_input *v)
{
	/* First: evdev takes the one that it finds under its number away. */
	if (v->blocked_cdev)
		cdev_del(v->blocked_cdev);
	path_put(&v->path);
	input_unregister_device(v->dev);
	devns_force_feedback_free(v);
	kfree(v);
}

void devns_virtual_input_release(struct devns_virtual_input *v)
{
	struct input_mt *mt = v->dev->mt;
	unsigned int code;
	int i;

	for (i = 0; mt && i < mt->num_slots; i++) {
		if (!input_mt_is_active(&mt->slots[i]))
			continue;
		input_mt_slot(v->dev, i);
		input_event(v->dev, EV_ABS, ABS_MT_TRACKING_ID, -1);
	}
	for_each_set_bit (code, v->dev->key, KEY_CNT)
		input_report_key(v->dev, code, 0);
	if (test_bit(ABS_PRESSURE, v->dev->absbit))
		input_report_abs(v->dev, ABS_PRESSURE, 0);
	input_sync(v->dev);
}

/* Of input core, which keeps its declaration to itself. */
int input_event_from_user(const char __user *buffer, struct input_event *event);

static size_t get_user_event_size(void)
{
#ifdef CONFIG_COMPAT
	if (in_compat_syscall() && !COMPAT_USE_64BIT_TIME)
		return 16;
#endif
	return sizeof(struct input_event);
}

/* What goes to a device, rather than comes from it; and what ends a batch. */
static bool is_writable_event(const struct input_event *ev)
{
	static const u32 types =
		BIT(EV_LED) | BIT(EV_SND) | BIT(EV_REP) | BIT(EV_FF);

	if (ev->type == EV_SYN)
		return ev->code == SYN_REPORT;
	return ev->type < EV_CNT && types & BIT(ev->type);
}

ssize_t devns_virtual_input_write(struct devns_virtual_input *v,
				  const char __user *buf, size_t count)
{
	size_t size = get_user_event_size();
	struct input_event ev;
	size_t done = 0;

	if (count && count < size)
		return -EINVAL;
	for (; done + size <= count; done += size) {
		if (input_event_from_user(buf + done, &ev))
			return done ?: -EFAULT;
		if (!is_writable_event(&ev))
			return done ?: -EPERM;
		input_event(v->dev, ev.type, ev.code, ev.value);
		cond_resched();
	}
	return done;
}

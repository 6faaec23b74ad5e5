// SPDX-License-Identifier: GPL-2.0-only
/*
 * Character devices of our own: one region of minors, one class. A device is
 * called "NODE.dID", since tools read the kind of a device off the beginning of
 * its name. Its open finds the endpoint and hands over to its operations.
 */
#include "compat.h"
#include "devns.h"
#include "real_device.h"

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/slab.h>

static dev_t first_devt;
static struct class *devns_class;
/*
 * Numbers go round: a node that somebody has kept leads to nothing, not to what
 * came after it.
 */
#define MINORS (MINORMASK + 1)
static DEFINE_IDR(minors);
static unsigned int cdev_count;

static int open_endpoint_node(struct inode *inode, struct file *file)
{
	struct devns_endpoint *ep =
		container_of(inode->i_cdev, struct devns_endpoint, cdev);
	const struct file_operations *fops = fops_get(ep->fops);

	if (!fops)
		return -ENXIO;
	file->private_data = ep;
	replace_fops(file, fops);
	return fops->open ? fops->open(inode, file) : 0;
}

static const struct file_operations cdev_fops = {
	.owner = THIS_MODULE,
	.open = open_endpoint_node,
};

/* Only root's on the host; who may open it in a devns, its /dev says. */
static char *set_default_node_mode(compat_const struct device *dev,
				   umode_t *mode)
{
	if (mode)
		*mode = 0600;
	return NULL;
}

/*
 * Tools look for what belongs to a device in its "device" folder. A link, not a
 * parent: an unplugged parent may not go before its children.
 */
static int link_parent_device(struct device *real, void *arg)
{
	struct devns_endpoint *ep = arg;

	if (!real->parent)
		return 0;
	return sysfs_create_link(&ep->dev.kobj, &real->parent->kobj, "device");
}

static void link_real_device(struct devns_endpoint *ep)
{
	dev_t devt = ep->source->devt;

	if (ep->dev.parent || !devt)
		return;
	/* Gone again already: then there is nothing to link to. */
	if (devns_real_device_call(devt, link_parent_device, ep))
		dev_warn(&ep->dev, "no link to the real device\n");
}

int devns_cdev_add(struct devns_endpoint *ep, struct device *parent,
		   const struct file_operations *fops)
{
	int err;

	if (cdev_count >= DEVNS_ENDPOINTS_MAX)
		return -ENOSPC;
	ep->minor = idr_alloc_cyclic(&minors, ep, 0, MINORS, GFP_KERNEL);
	if (ep->minor < 0)
		return ep->minor;
	ep->fops = fops;
	ep->devt = MKDEV(MAJOR(first_devt), ep->minor);
	ep->dev.class = devns_class;
	ep->dev.parent = parent;
	ep->dev.devt = ep->devt;
	err = dev_set_name(&ep->dev, "%s.d%u", ep->node, ep->ns_id);
	if (err)
		goto free;
	cdev_init(&ep->cdev, &cdev_fops);
	ep->cdev.owner = THIS_MODULE;
	err = cdev_device_add(&ep->cdev, &ep->dev);
	if (err)
		goto free;
	link_real_device(ep);
	ep->published = true;
	cdev_count++;
	return 0;
free:
	idr_remove(&minors, ep->minor);
	ep->minor = -1;
	ep->devt = 0;
	return err;
}

void devns_cdev_del(struct devns_endpoint *ep)
{
	if (!ep->published)
		return;
	ep->published = false;
	if (!ep->dev.parent)
		sysfs_remove_link(&ep->dev.kobj, "device");
	cdev_device_del(&ep->cdev, &ep->dev);
	cdev_count--;
	/* A handle that is open keeps no claim on the number. */
	idr_remove(&minors, ep->minor);
	ep->minor = -1;
}

bool devns_cdev_is_ours(const struct device *dev)
{
	return dev->class == devns_class;
}

int devns_cdev_init(void)
{
	int err;

	err = alloc_chrdev_region(&first_devt, 0, MINORS, "devns");
	if (err)
		return err;
	devns_class = compat_class_create("devns");
	if (IS_ERR(devns_class)) {
		unregister_chrdev_region(first_devt, MINORS);
		return PTR_ERR(devns_class);
	}
	devns_class->devnode = set_default_node_mode;
	return 0;
}

void devns_cdev_exit(void)
{
	class_destroy(devns_class);
	unregister_chrdev_region(first_devt, MINORS);
	idr_destroy(&minors);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for tests of mapping.c: its mapped memory does what a driver may do
 * and few do. Parameter `mode`, for faults to come:
 *   0  a page at once
 *   1  mmap_lock is let go of, and the fault answered with VM_FAULT_RETRY
 *   2  the page comes after a quarter of a minute, and nothing ends the wait
 * At mmap() and at the area's end it looks whether the area's file is its own,
 * and whether the area's process can still be looked at; complaints are
 * warnings.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <media/v4l2-dev.h>
#include <media/v4l2-device.h>
#include <media/v4l2-ioctl.h>

#define MAGIC 0x66617573
#define RETRY_MS 1000
#define SLOW_MS 15000

static int mode;
module_param(mode, int, 0600);
static int under_way;
module_param(under_way, int, 0400);

struct handle {
	u32 magic;
};

static struct v4l2_device parent;
static struct video_device node;
static struct page *page;

static int faulty_open(struct file *file)
{
	struct handle *h = kzalloc(sizeof(*h), GFP_KERNEL);

	if (!h)
		return -ENOMEM;
	h->magic = MAGIC;
	file->private_data = h;
	return 0;
}

static int faulty_release(struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static void check_area(const struct vm_area_struct *vma)
{
	const struct handle *h = vma->vm_file->private_data;

	WARN(h->magic != MAGIC, "the area's file is not the driver's\n");
	WARN(!READ_ONCE(vma->vm_mm->task_size), "the area has no process\n");
}

static vm_fault_t faulty_fault(struct vm_fault *vmf)
{
	under_way = 1;
	if (mode == 1 && fault_flag_allow_retry_first(vmf->flags) &&
	    !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT)) {
		mmap_read_unlock(vmf->vma->vm_mm);
		msleep(RETRY_MS);
		under_way = 0;
		return VM_FAULT_RETRY;
	}
	if (mode == 2)
		msleep(SLOW_MS);
	under_way = 0;
	get_page(page);
	vmf->page = page;
	return 0;
}

static void faulty_close(struct vm_area_struct *vma)
{
	check_area(vma);
}

static const struct vm_operations_struct area_ops = {
	.fault = faulty_fault,
	.close = faulty_close,
};

static int faulty_mmap(struct file *file, struct vm_area_struct *vma)
{
	check_area(vma);
	vma->vm_ops = &area_ops;
	return 0;
}

static long faulty_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return -ENOTTY;
}

static const struct v4l2_file_operations fops = {
	.owner = THIS_MODULE,
	.open = faulty_open,
	.release = faulty_release,
	.unlocked_ioctl = faulty_ioctl,
	.mmap = faulty_mmap,
};

static int add_node(void)
{
	int err = v4l2_device_register(NULL, &parent);

	if (err)
		return err;
	strscpy(node.name, "faulty", sizeof(node.name));
	node.v4l2_dev = &parent;
	node.fops = &fops;
	node.release = video_device_release_empty;
	node.device_caps = V4L2_CAP_VIDEO_CAPTURE;
	err = video_register_device(&node, VFL_TYPE_VIDEO, 40);
	if (err)
		v4l2_device_unregister(&parent);
	return err;
}

static int __init faulty_init(void)
{
	int err;

	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	strscpy(parent.name, "faulty", sizeof(parent.name));
	err = add_node();
	if (err)
		__free_page(page);
	return err;
}

static void __exit faulty_exit(void)
{
	video_unregister_device(&node);
	v4l2_device_unregister(&parent);
	__free_page(page);
}

module_init(faulty_init);
module_exit(faulty_exit);
MODULE_DESCRIPTION("Memory that is slow to map, for tests");
MODULE_LICENSE("GPL");

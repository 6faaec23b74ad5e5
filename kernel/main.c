// SPDX-License-Identifier: GPL-2.0-only
/* Loading, unloading, and the table of kinds. */
#include "passthrough.h"
#include "real_fb.h"

#include <linux/genetlink.h>
#include <linux/module.h>
#include <net/genetlink.h>

DEFINE_MUTEX(devns_mutex);

/* A kind with NULL here is refused by name. */
static const struct devns_kind_ops *const kinds[DEVNS_KIND_COUNT_] = {
	[DEVNS_KIND_CUT] = &devns_kind_cut,
	[DEVNS_KIND_SUSPEND] = &devns_kind_suspend,
	[DEVNS_KIND_FB] = &devns_kind_fb,
	[DEVNS_KIND_INPUT] = &devns_kind_input,
	[DEVNS_KIND_POWER] = &devns_kind_power,
	[DEVNS_KIND_LED] = &devns_kind_led,
	[DEVNS_KIND_BACKLIGHT] = &devns_kind_backlight,
	[DEVNS_KIND_VIBRATOR] = &devns_kind_vibrator,
	[DEVNS_KIND_MIXER] = &devns_kind_mixer,
};

const struct devns_kind_ops *devns_kind_get(u32 kind)
{
	return kind < DEVNS_KIND_COUNT_ ? kinds[kind] : NULL;
}

struct workqueue_struct *devns_wq;

static int init_module_workqueue(void)
{
	devns_wq = alloc_workqueue("devns", WQ_UNBOUND, 0);
	return devns_wq ? 0 : -ENOMEM;
}

static void exit_module_workqueue(void)
{
	destroy_workqueue(devns_wq);
}

/* What is set up at load, in this order, and undone in the other. */
static const struct {
	int (*init)(void); /* NULL: nothing */
	void (*exit)(void);
} parts[] = {
	{ devns_real_device_init, devns_real_device_exit },
	{ devns_real_fb_init, devns_real_fb_exit },
	{ NULL, devns_passthrough_fops_exit },
	{ init_module_workqueue, exit_module_workqueue },
	{ devns_cdev_init, devns_cdev_exit },
	{ NULL, devns_hotkey_exit },
	{ devns_power_init, devns_power_exit },
	{ devns_netlink_init, devns_netlink_exit },
};

static void exit_module_parts(size_t n)
{
	while (n--)
		parts[n].exit();
}

static int __init devns_init(void)
{
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		err = parts[i].init ? parts[i].init() : 0;
		if (err) {
			exit_module_parts(i);
			return err;
		}
	}
	return 0;
}

/* Every namespace and source pins the module: there are none now. */
static void __exit devns_exit(void)
{
	exit_module_parts(ARRAY_SIZE(parts));
}

module_init(devns_init);
module_exit(devns_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Device namespaces: virtual devices for virtual phones");
MODULE_ALIAS_GENL_FAMILY(DEVNS_GENL_NAME);

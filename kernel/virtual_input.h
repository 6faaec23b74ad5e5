/* SPDX-License-Identifier: GPL-2.0-only */
/* The input device that a devns sees in place of the real one. */
#ifndef DEVNS_VIRTUAL_INPUT_H
#define DEVNS_VIRTUAL_INPUT_H

#include <linux/input.h>
#include <linux/path.h>
#include <linux/types.h>

struct cdev;
struct devns_force_feedback;
struct devns_real_input;

struct devns_virtual_input {
	struct devns_real_input *real;
	struct input_dev *dev;
	struct devns_force_feedback *ff; /* NULL: it has none */
	dev_t devt;			 /* of its event device */
	struct path path;		 /* how its endpoint opens that */
	struct cdev *blocked_cdev;	 /* what others find under the number */
	int sound[SND_CNT]; /* what was written last, under the event lock */
	char name[128];
	char phys[32];
};

/* Of the devns with this number; virtual_input_free() ends it. */
int devns_virtual_input_new(struct devns_real_input *r, u32 ns,
			    struct devns_virtual_input **ret);
/* No event comes from the real device any more. */
void devns_virtual_input_free(struct devns_virtual_input *v);
/* Ends what is held: keys, contacts. Nobody feeds it meanwhile. */
void devns_virtual_input_release(struct devns_virtual_input *v);
/* Whether it is one of ours. */
bool devns_virtual_input_is_ours(const struct input_dev *dev);
/*
 * What the devns writes to its node: only LED, sound and force feedback events.
 * Answers how many bytes were taken; -EPERM where the first is something else.
 */
ssize_t devns_virtual_input_write(struct devns_virtual_input *v,
				  const char __user *buf, size_t count);

#endif

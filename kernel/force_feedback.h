/* SPDX-License-Identifier: GPL-2.0-only */
/* Force feedback of a virtual device. */
#ifndef DEVNS_FORCE_FEEDBACK_H
#define DEVNS_FORCE_FEEDBACK_H

struct input_dev;
struct devns_real_input;
struct devns_virtual_input;

/* Under devns_real_input.lock: the real device gets the effects of this virtual
 * device only. */
void devns_force_feedback_apply(struct devns_real_input *r,
				struct devns_virtual_input *v);
/* Gives a virtual device what the real one can; nothing where that has none. */
int devns_force_feedback_add(struct devns_virtual_input *v,
			     const struct input_dev *real);
void devns_force_feedback_free(struct devns_virtual_input *v);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* The input device that a devns sees in place of the real one. */
#ifndef VIRTUAL_INPUT_H
#define VIRTUAL_INPUT_H

#include <linux/types.h>

struct input_dev;
struct mux;
struct virtual_input;

/* Of the devns with this number; virtual_input_free() ends it. */
int virtual_input_new(struct mux *mux, u32 ns, struct virtual_input **ret);
/* No event comes from the mux any more. */
void virtual_input_free(struct virtual_input *v);
/* Ends what is held: keys, contacts. Nobody feeds it meanwhile. */
void virtual_input_release(struct virtual_input *v);
/* Whether it is one of ours. */
bool virtual_input_is_ours(const struct input_dev *dev);
/*
 * What the devns writes to its node: only what makes light, sound and force.
 * Answers how many bytes were taken; -EPERM where the first is something else.
 */
ssize_t virtual_input_write(struct virtual_input *v, const char __user *buf,
			    size_t count);

#endif

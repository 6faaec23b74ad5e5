/* SPDX-License-Identifier: GPL-2.0 */
/* The input device that a devns sees in place of the real one. */
#ifndef VIRTUAL_INPUT_H
#define VIRTUAL_INPUT_H

#include <linux/types.h>

struct input_dev;
struct mux;
struct view;

/* Of the devns with this number; view_free() ends it. */
int view_new(struct mux *mux, u32 ns, struct view **ret);
/* No event comes from the mux any more. */
void view_free(struct view *v);
/* Ends what is held: keys, contacts. Nobody feeds it meanwhile. */
void view_release(struct view *v);
/* Whether it is one of ours. */
bool view_is(const struct input_dev *dev);
/*
 * What the devns writes to its node: only what makes light, sound and force.
 * Answers how many bytes were taken; -EPERM where the first is something else.
 */
ssize_t view_write(struct view *v, const char __user *buf, size_t count);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Force feedback of a view. */
#ifndef FORCE_FEEDBACK_H
#define FORCE_FEEDBACK_H

struct input_dev;
struct mux;
struct view;

/* Under mux->lock: the real device gets the effects of this view only. */
void force_show(struct mux *mux, struct view *v);
/* Gives a view what the real device can; it has none where that has none. */
int force_add(struct view *v, const struct input_dev *real);
void force_free(struct view *v);

#endif

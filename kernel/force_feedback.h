/* SPDX-License-Identifier: GPL-2.0 */
/* Force feedback of a view. */
#ifndef FORCE_FEEDBACK_H
#define FORCE_FEEDBACK_H

struct input_dev;
struct mux;
struct virtual_input;

/* Under mux->lock: the real device gets the effects of this view only. */
void force_feedback_apply(struct mux *mux, struct virtual_input *v);
/* Gives a view what the real device can; it has none where that has none. */
int force_feedback_add(struct virtual_input *v, const struct input_dev *real);
void force_feedback_free(struct virtual_input *v);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * Force feedback of a view: vibration. Effects are kept here for each devns;
 * the real device holds those of the foreground only. What is uploaded in the
 * background is uploaded at the switch to the front, and what would still be
 * playing then is played.
 */
#include "force_feedback.h"
#include "mux.h"

#include <linux/bitmap.h>
#include <linux/input.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/string.h>

#define NOT_THERE -1

struct force_effect {
	struct ff_effect ff; /* its id is the view's */
	bool used;
	s16 real;      /* the real device's id, or NOT_THERE */
	int times;     /* to be played */
	ktime_t since; /* it is */
	bool is_sent;  /* the real device knows */
};

/* Effects are under mux->lock; what is played also under `lock`. */
struct force_feedback {
	spinlock_t lock; /* a leaf; under the view's event lock */
	bool new_gain;
	bool new_autocenter;
	u16 gain;
	u16 autocenter;
	int n;
	struct force_effect effects[];
};

/*
 * Input core asks for the open file that an effect belongs to, and compares it;
 * of ours there is none, and the mux is unlike any.
 */
static struct file *get_effect_owner(struct mux *mux)
{
	return (struct file *)mux;
}

/* ---- towards the real device; under mux->lock */

static int upload_real_effect(struct mux *mux, struct force_effect *e)
{
	struct ff_effect real = e->ff;
	int err;

	real.id = e->real;
	err = input_ff_upload(mux->real, &real, get_effect_owner(mux));
	if (!err)
		e->real = real.id;
	return err;
}

static void erase_real_effect(struct mux *mux, struct force_effect *e)
{
	if (e->real == NOT_THERE)
		return;
	input_inject_event(&mux->handle, EV_FF, e->real, 0);
	input_ff_erase(mux->real, e->real, get_effect_owner(mux));
	e->real = NOT_THERE;
}

/* Whether it would be playing now if it had been played when it was sent. */
static bool is_effect_playing(const struct force_effect *e)
{
	u64 length = (u64)e->ff.replay.length * e->times + e->ff.replay.delay;

	return e->times > 0 &&
	       (!e->ff.replay.length ||
		ktime_ms_delta(ktime_get(), e->since) < (s64)length);
}

static void play_pending_effects(struct mux *mux, struct force_feedback *f)
{
	int i;

	for (i = 0; i < f->n; i++) {
		struct force_effect *e = &f->effects[i];
		unsigned long flags;
		bool was_sent;
		int times;

		spin_lock_irqsave(&f->lock, flags);
		was_sent = e->is_sent;
		times = is_effect_playing(e) ? e->times : 0;
		e->is_sent = true;
		spin_unlock_irqrestore(&f->lock, flags);
		if (!was_sent && e->real != NOT_THERE)
			input_inject_event(&mux->handle, EV_FF, e->real, times);
	}
	if (f->new_gain)
		input_inject_event(&mux->handle, EV_FF, FF_GAIN, f->gain);
	if (f->new_autocenter)
		input_inject_event(&mux->handle, EV_FF, FF_AUTOCENTER,
				   f->autocenter);
	f->new_gain = false;
	f->new_autocenter = false;
}

static void erase_all_effects(struct mux *mux, struct force_feedback *f)
{
	int i;

	for (i = 0; i < f->n; i++)
		erase_real_effect(mux, &f->effects[i]);
}

static void upload_all_effects(struct mux *mux, struct force_feedback *f)
{
	int i;

	for (i = 0; i < f->n; i++) {
		struct force_effect *e = &f->effects[i];

		if (e->used && upload_real_effect(mux, e))
			pr_notice_ratelimited("devns: %s takes no effect\n",
					      mux->handle.name);
		e->is_sent = !is_effect_playing(e);
	}
	f->new_gain = test_bit(FF_GAIN, mux->real->ffbit);
	f->new_autocenter = test_bit(FF_AUTOCENTER, mux->real->ffbit);
}

void force_feedback_apply(struct mux *mux, struct virtual_input *v)
{
	if (mux->forced != v) {
		if (mux->forced)
			erase_all_effects(mux, mux->forced->force);
		mux->forced = v && v->force ? v : NULL;
		if (mux->forced)
			upload_all_effects(mux, v->force);
	}
	if (mux->forced)
		play_pending_effects(mux, mux->forced->force);
}

/* ---- from the devns */

static int handle_effect_upload(struct input_dev *dev, struct ff_effect *effect,
				struct ff_effect *old)
{
	struct virtual_input *v = input_get_drvdata(dev);
	struct force_effect *e = &v->force->effects[effect->id];
	struct force_effect was;
	int err = 0;

	/* Its samples are in the program's memory. */
	if (effect->type == FF_PERIODIC &&
	    effect->u.periodic.waveform == FF_CUSTOM)
		return -EINVAL;
	mutex_lock(&v->mux->lock);
	was = *e;
	e->ff = *effect;
	if (!e->used) {
		e->used = true;
		e->real = NOT_THERE;
		e->times = 0;
		e->is_sent = true;
	}
	if (v->mux->forced == v)
		err = upload_real_effect(v->mux, e);
	if (err)
		*e = was;
	mutex_unlock(&v->mux->lock);
	return err;
}

static int handle_effect_erase(struct input_dev *dev, int id)
{
	struct virtual_input *v = input_get_drvdata(dev);
	struct force_effect *e = &v->force->effects[id];

	mutex_lock(&v->mux->lock);
	erase_real_effect(v->mux, e);
	e->used = false;
	e->times = 0;
	mutex_unlock(&v->mux->lock);
	return 0;
}

/* These are called under the view's event lock. */
static int handle_effect_playback(struct input_dev *dev, int id, int times)
{
	struct virtual_input *v = input_get_drvdata(dev);
	struct force_feedback *f = v->force;
	unsigned long flags;

	if (id < 0 || id >= f->n)
		return -EINVAL;
	spin_lock_irqsave(&f->lock, flags);
	f->effects[id].times = times;
	f->effects[id].since = ktime_get();
	f->effects[id].is_sent = false;
	spin_unlock_irqrestore(&f->lock, flags);
	mux_schedule_update(v->mux);
	return 0;
}

static void handle_set_gain(struct input_dev *dev, u16 gain)
{
	struct virtual_input *v = input_get_drvdata(dev);

	v->force->gain = gain;
	v->force->new_gain = true;
	mux_schedule_update(v->mux);
}

static void handle_set_autocenter(struct input_dev *dev, u16 magnitude)
{
	struct virtual_input *v = input_get_drvdata(dev);

	v->force->autocenter = magnitude;
	v->force->new_autocenter = true;
	mux_schedule_update(v->mux);
}

/* Of views: the mux's lock comes under it, and a real device's under that. */
static struct lock_class_key force_mutex;

int force_feedback_add(struct virtual_input *v, const struct input_dev *real)
{
	struct input_dev *dev = v->dev;
	int i, err;

	if (!real->ff)
		return 0;
	v->force =
		kzalloc(struct_size(v->force, effects, real->ff->max_effects),
			GFP_KERNEL);
	if (!v->force)
		return -ENOMEM;
	spin_lock_init(&v->force->lock);
	v->force->n = real->ff->max_effects;
	v->force->gain = 0xffff;
	for (i = 0; i < v->force->n; i++) {
		v->force->effects[i].real = NOT_THERE;
		v->force->effects[i].is_sent = true;
	}
	bitmap_copy(dev->ffbit, real->ffbit, FF_CNT);
	err = input_ff_create(dev, v->force->n);
	if (err)
		return err;
	lockdep_set_class(&dev->ff->mutex, &force_mutex);
	dev->ff->upload = handle_effect_upload;
	dev->ff->erase = handle_effect_erase;
	dev->ff->playback = handle_effect_playback;
	if (test_bit(FF_GAIN, real->ffbit))
		dev->ff->set_gain = handle_set_gain;
	if (test_bit(FF_AUTOCENTER, real->ffbit))
		dev->ff->set_autocenter = handle_set_autocenter;
	return 0;
}

void force_feedback_free(struct virtual_input *v)
{
	kfree(v->force);
}

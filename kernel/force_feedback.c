// SPDX-License-Identifier: GPL-2.0-only
/*
 * Force feedback of a virtual device: vibration. Effects are kept here for each
 * devns; the real device holds those of the foreground only. What is uploaded
 * in the background is uploaded at the switch to the front, and what would
 * still be playing then is played.
 */
#include "force_feedback.h"
#include "real_input.h"
#include "virtual_input.h"

#include <linux/bitmap.h>
#include <linux/input.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/string.h>

#define NOT_UPLOADED -1

struct force_effect {
	struct ff_effect ff; /* its id is the virtual device's */
	bool used;
	s16 real_id;	 /* the real device's id, or NOT_THERE */
	int times;	 /* to be played */
	ktime_t started; /* it is */
	bool is_sent;	 /* the real device knows */
};

/* Effects are under devns_real_input.lock; what is played also under `lock`. */
struct devns_force_feedback {
	spinlock_t lock; /* a leaf; under the virtual device's event lock */
	bool new_gain;
	bool new_autocenter;
	u16 gain;
	u16 autocenter;
	int n;
	struct force_effect effects[];
};

/*
 * Input core asks for the open file that an effect belongs to, and compares it;
 * of ours there is none, and a devns_real_input is unlike any.
 */
static struct file *get_effect_owner(struct devns_real_input *r)
{
	return (struct file *)r;
}

/* ---- towards the real device; under devns_real_input.lock */

static int upload_real_effect(struct devns_real_input *r,
			      struct force_effect *e)
{
	struct ff_effect real = e->ff;
	int err;

	real.id = e->real_id;
	err = input_ff_upload(r->dev, &real, get_effect_owner(r));
	if (!err)
		e->real_id = real.id;
	return err;
}

static void erase_real_effect(struct devns_real_input *r,
			      struct force_effect *e)
{
	if (e->real_id == NOT_UPLOADED)
		return;
	input_inject_event(&r->handle, EV_FF, e->real_id, 0);
	input_ff_erase(r->dev, e->real_id, get_effect_owner(r));
	e->real_id = NOT_UPLOADED;
}

/* Whether it would be playing now if it had been played when it was sent. */
static bool is_effect_playing(const struct force_effect *e)
{
	u64 length = (u64)e->ff.replay.length * e->times + e->ff.replay.delay;

	return e->times > 0 &&
	       (!e->ff.replay.length ||
		ktime_ms_delta(ktime_get(), e->started) < (s64)length);
}

static void play_pending_effects(struct devns_real_input *r,
				 struct devns_force_feedback *f)
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
		if (!was_sent && e->real_id != NOT_UPLOADED)
			input_inject_event(&r->handle, EV_FF, e->real_id,
					   times);
	}
	if (f->new_gain)
		input_inject_event(&r->handle, EV_FF, FF_GAIN, f->gain);
	if (f->new_autocenter)
		input_inject_event(&r->handle, EV_FF, FF_AUTOCENTER,
				   f->autocenter);
	f->new_gain = false;
	f->new_autocenter = false;
}

static void erase_all_effects(struct devns_real_input *r,
			      struct devns_force_feedback *f)
{
	int i;

	for (i = 0; i < f->n; i++)
		erase_real_effect(r, &f->effects[i]);
}

static void upload_all_effects(struct devns_real_input *r,
			       struct devns_force_feedback *f)
{
	int i;

	for (i = 0; i < f->n; i++) {
		struct force_effect *e = &f->effects[i];

		if (e->used && upload_real_effect(r, e))
			pr_notice_ratelimited("devns: %s takes no effect\n",
					      r->handle.name);
		e->is_sent = !is_effect_playing(e);
	}
	f->new_gain = test_bit(FF_GAIN, r->dev->ffbit);
	f->new_autocenter = test_bit(FF_AUTOCENTER, r->dev->ffbit);
}

void devns_force_feedback_apply(struct devns_real_input *r,
				struct devns_virtual_input *v)
{
	if (r->ff_owner != v) {
		if (r->ff_owner)
			erase_all_effects(r, r->ff_owner->ff);
		r->ff_owner = v && v->ff ? v : NULL;
		if (r->ff_owner)
			upload_all_effects(r, v->ff);
	}
	if (r->ff_owner)
		play_pending_effects(r, r->ff_owner->ff);
}

/* ---- from the devns */

static int handle_effect_upload(struct input_dev *dev, struct ff_effect *effect,
				struct ff_effect *old)
{
	struct devns_virtual_input *v = input_get_drvdata(dev);
	struct force_effect *e = &v->ff->effects[effect->id];
	struct force_effect was;
	int err = 0;

	/* Its samples are in the program's memory. */
	if (effect->type == FF_PERIODIC &&
	    effect->u.periodic.waveform == FF_CUSTOM)
		return -EINVAL;
	mutex_lock(&v->real->lock);
	was = *e;
	e->ff = *effect;
	if (!e->used) {
		e->used = true;
		e->real_id = NOT_UPLOADED;
		e->times = 0;
		e->is_sent = true;
	}
	if (v->real->ff_owner == v)
		err = upload_real_effect(v->real, e);
	if (err)
		*e = was;
	mutex_unlock(&v->real->lock);
	return err;
}

static int handle_effect_erase(struct input_dev *dev, int id)
{
	struct devns_virtual_input *v = input_get_drvdata(dev);
	struct force_effect *e = &v->ff->effects[id];

	mutex_lock(&v->real->lock);
	erase_real_effect(v->real, e);
	e->used = false;
	e->times = 0;
	mutex_unlock(&v->real->lock);
	return 0;
}

/* These are called under the virtual device's event lock. */
static int handle_effect_playback(struct input_dev *dev, int id, int times)
{
	struct devns_virtual_input *v = input_get_drvdata(dev);
	struct devns_force_feedback *f = v->ff;
	unsigned long flags;

	if (id < 0 || id >= f->n)
		return -EINVAL;
	spin_lock_irqsave(&f->lock, flags);
	f->effects[id].times = times;
	f->effects[id].started = ktime_get();
	f->effects[id].is_sent = false;
	spin_unlock_irqrestore(&f->lock, flags);
	devns_real_input_schedule_update(v->real);
	return 0;
}

static void handle_set_gain(struct input_dev *dev, u16 gain)
{
	struct devns_virtual_input *v = input_get_drvdata(dev);

	v->ff->gain = gain;
	v->ff->new_gain = true;
	devns_real_input_schedule_update(v->real);
}

static void handle_set_autocenter(struct input_dev *dev, u16 magnitude)
{
	struct devns_virtual_input *v = input_get_drvdata(dev);

	v->ff->autocenter = magnitude;
	v->ff->new_autocenter = true;
	devns_real_input_schedule_update(v->real);
}

/* Of virtual devices: devns_real_input.lock comes under it, and a real device's
 * under that. */
static struct lock_class_key ff_mutex;

int devns_force_feedback_add(struct devns_virtual_input *v,
			     const struct input_dev *real)
{
	struct input_dev *dev = v->dev;
	int i, err;

	if (!real->ff)
		return 0;
	v->ff = kzalloc(struct_size(v->ff, effects, real->ff->max_effects),
			GFP_KERNEL);
	if (!v->ff)
		return -ENOMEM;
	spin_lock_init(&v->ff->lock);
	v->ff->n = real->ff->max_effects;
	v->ff->gain = 0xffff;
	for (i = 0; i < v->ff->n; i++) {
		v->ff->effects[i].real_id = NOT_UPLOADED;
		v->ff->effects[i].is_sent = true;
	}
	bitmap_copy(dev->ffbit, real->ffbit, FF_CNT);
	err = input_ff_create(dev, v->ff->n);
	if (err)
		return err;
	lockdep_set_class(&dev->ff->mutex, &ff_mutex);
	dev->ff->upload = handle_effect_upload;
	dev->ff->erase = handle_effect_erase;
	dev->ff->playback = handle_effect_playback;
	if (test_bit(FF_GAIN, real->ffbit))
		dev->ff->set_gain = handle_set_gain;
	if (test_bit(FF_AUTOCENTER, real->ffbit))
		dev->ff->set_autocenter = handle_set_autocenter;
	return 0;
}

void devns_force_feedback_free(struct devns_virtual_input *v)
{
	kfree(v->ff);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The input kind: events of a real device go to the view of the devns in front,
 * and nowhere else. While a devns is in front the real device is grabbed, so
 * neither the host's console nor its programs get what is typed there; while
 * the host is in front it is let go. One handler a source, since input core has
 * no other way to attach to one device without a race against its removal.
 */
#include "compat.h"
#include "force_feedback.h"
#include "mux.h"
#include "passthrough.h"
#include "virtual_input.h"

#include <linux/bitmap.h>
#include <linux/device.h>
#include <linux/input/mt.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/string.h>

/* How soon a grab that somebody else has is tried again. */
#define REGRAB_MS 100

/* ---- events; all under the real device's event lock */

/* What a device says of itself; the rest is set. */
static bool is_device_event(const struct input_value *val)
{
	static const u32 types = BIT(EV_KEY) | BIT(EV_REL) | BIT(EV_ABS) |
				 BIT(EV_MSC) | BIT(EV_SW);

	return val->type < EV_CNT && types & BIT(val->type);
}

/*
 * The real device speaks only of what changed since its last event, and that
 * may have gone to somebody else.
 */
static void resync_absolute_axes(struct mux *mux)
{
	const struct input_dev *real = mux->real;
	unsigned int code;

	mux->resync = false;
	if (!real->absinfo)
		return;
	for_each_set_bit (code, real->absbit, ABS_CNT)
		if (!input_is_mt_axis(code))
			input_event(mux->front->dev, EV_ABS, code,
				    real->absinfo[code].value);
}

static void resync_contact_slot(struct mux *mux)
{
	const struct input_dev *real = mux->real;
	unsigned int code;

	for_each_set_bit (code, real->absbit, ABS_CNT)
		if (input_is_mt_value(code) && code != ABS_MT_TRACKING_ID)
			input_event(mux->front->dev, EV_ABS, code,
				    input_mt_get_value(
					    &real->mt->slots[mux->slot], code));
}

static void pass_contact_event(struct mux *mux, const struct input_value *val)
{
	struct input_dev *dev = mux->front->dev;
	bool begins = val->code == ABS_MT_TRACKING_ID && val->value >= 0;

	if (val->code == ABS_MT_TRACKING_ID)
		__clear_bit(mux->slot, mux->stale_slots);
	if (test_bit(mux->slot, mux->stale_slots))
		return;
	input_event(dev, EV_ABS, ABS_MT_SLOT, mux->slot);
	input_event(dev, EV_ABS, val->code, val->value);
	if (begins && __test_and_clear_bit(mux->slot, mux->resync_slots))
		resync_contact_slot(mux);
}

static void pass_axis_event(struct mux *mux, const struct input_value *val)
{
	if (mux->real->mt && input_is_mt_value(val->code))
		pass_contact_event(mux, val);
	else if (val->code != ABS_MT_SLOT && !mux->stale_touch)
		input_event(mux->front->dev, EV_ABS, val->code, val->value);
}

static void pass_key_event(struct mux *mux, const struct input_value *val)
{
	/* The view repeats by itself, as its devns has set it. */
	if (val->value == 2)
		return;
	if (val->code == BTN_TOUCH && !val->value)
		mux->stale_touch = false;
	if (devns_hotkey_handle_key(val->code, val->value))
		return;
	if (mux->front)
		input_event(mux->front->dev, EV_KEY, val->code, val->value);
}

static void pass_input_event(struct mux *mux, const struct input_value *val)
{
	if (val->type == EV_ABS && val->code == ABS_MT_SLOT && mux->real->mt)
		mux->slot = clamp(val->value, 0, mux->real->mt->num_slots - 1);
	if (mux->only_force)
		return;
	if (mux->front && mux->resync && is_device_event(val))
		resync_absolute_axes(mux);
	if (val->type == EV_KEY)
		pass_key_event(mux, val);
	else if (!mux->front)
		return;
	else if (val->type == EV_ABS)
		pass_axis_event(mux, val);
	else if (is_device_event(val) ||
		 (val->type == EV_SYN && val->code == SYN_MT_REPORT))
		input_event(mux->front->dev, val->type, val->code, val->value);
}

static void pass_event_batch(struct input_handle *handle,
			     const struct input_value *vals, unsigned int count)
{
	struct mux *mux = handle->private;
	unsigned int i;

	if (mux->front)
		input_set_timestamp(
			mux->front->dev,
			input_get_timestamp(mux->real)[INPUT_CLK_MONO]);
	for (i = 0; i < count; i++)
		pass_input_event(mux, &vals[i]);
	if (mux->front)
		input_sync(mux->front->dev);
}

COMPAT_INPUT_EVENTS(mux_events, pass_event_batch)

/* ---- who is fed */

static void start_event_delivery(struct mux *mux, struct virtual_input *v)
{
	struct input_dev *real = mux->real;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&real->event_lock, flags);
	mux->front = v;
	mux->resync = true;
	if (real->mt)
		mux->slot = real->absinfo[ABS_MT_SLOT].value;
	mux->stale_touch = test_bit(BTN_TOUCH, real->key);
	for (i = 0; real->mt && i < real->mt->num_slots; i++) {
		__set_bit(i, mux->resync_slots);
		__assign_bit(i, mux->stale_slots,
			     input_mt_is_active(&real->mt->slots[i]));
	}
	/* A lid or a plug is how it is for everybody. */
	for_each_set_bit (i, real->swbit, SW_CNT)
		input_event(v->dev, EV_SW, i, test_bit(i, real->sw));
	input_sync(v->dev);
	spin_unlock_irqrestore(&real->event_lock, flags);
}

static void stop_event_delivery(struct mux *mux, struct virtual_input *v)
{
	struct input_dev *real = mux->real;
	unsigned long flags;
	bool fed;

	spin_lock_irqsave(&real->event_lock, flags);
	fed = mux->front == v;
	if (fed)
		mux->front = NULL;
	spin_unlock_irqrestore(&real->event_lock, flags);
	if (fed)
		virtual_input_release(v);
}

/* ---- the real device as the foreground wants it */

/* Lights and sounds of a view; without one the host's lights, and silence. */
static void apply_leds_and_sounds(struct mux *mux,
				  const struct virtual_input *v)
{
	const unsigned long *led = v ? v->dev->led : mux->host_led;
	unsigned int code;

	for_each_set_bit (code, mux->real->ledbit, LED_CNT)
		input_inject_event(&mux->handle, EV_LED, code,
				   test_bit(code, led));
	for_each_set_bit (code, mux->real->sndbit, SND_CNT) {
		int value = v ? READ_ONCE(v->sound[code]) : 0;

		if (value || test_bit(code, mux->real->snd))
			input_inject_event(&mux->handle, EV_SND, code, value);
	}
}

static bool update_device_grab(struct mux *mux)
{
	bool wanted = READ_ONCE(mux->wanted) && !mux->only_force;

	if (wanted == mux->grabbed)
		return true;
	/* Who loses the device hears of no release: what is held ends now. */
	input_reset_device(mux->real);
	if (wanted) {
		if (input_grab_device(&mux->handle))
			return false;
	} else {
		apply_leds_and_sounds(mux, NULL);
		input_release_device(&mux->handle);
	}
	mux->grabbed = wanted;
	return true;
}

static void update_real_device(struct work_struct *work)
{
	struct mux *mux =
		container_of(to_delayed_work(work), struct mux, settle);

	mutex_lock(&mux->lock);
	if (mux->connected && !update_device_grab(mux)) {
		pr_notice_ratelimited("devns: somebody has grabbed %s\n",
				      mux->handle.name);
		queue_delayed_work(system_highpri_wq, &mux->settle,
				   msecs_to_jiffies(REGRAB_MS));
	}
	/* endpoint_del waits for this lock before it frees a view. */
	if (mux->connected && mux->grabbed)
		apply_leds_and_sounds(mux, READ_ONCE(mux->front));
	if (mux->connected)
		force_feedback_apply(mux, READ_ONCE(mux->front));
	mutex_unlock(&mux->lock);
}

static void mux_leave(struct devns_source *s, struct devns_endpoint *old)
{
	struct mux *mux = s->priv;

	if (old)
		stop_event_delivery(mux, old->priv);
	else
		bitmap_copy(mux->host_led, mux->real->led, LED_CNT);
}

static void mux_enter(struct devns_source *s, struct devns_endpoint *new)
{
	struct mux *mux = s->priv;

	WRITE_ONCE(mux->wanted, new != NULL);
	mux_schedule_update(mux);
	if (!new)
		return;
	/* Not before the host has lost it. */
	if (!READ_ONCE(mux->grabbed) && !mux->only_force)
		flush_delayed_work(&mux->settle);
	if (new->allowed)
		start_event_delivery(mux, new->priv);
	mux_schedule_update(mux);
}

static void mux_deny(struct devns_endpoint *ep)
{
	struct mux *mux = ep->source->priv;

	stop_event_delivery(mux, ep->priv);
	devns_passthrough_deny(ep);
	mux_schedule_update(mux);
}

static void mux_allow(struct devns_endpoint *ep)
{
	struct mux *mux = ep->source->priv;

	devns_passthrough_allow(ep);
	if (ep->ns != devns_active)
		return;
	start_event_delivery(mux, ep->priv);
	mux_schedule_update(mux);
}

/* ---- sources */

static bool mux_match(struct input_handler *handler, struct input_dev *dev)
{
	return container_of(handler, struct mux, handler)->real == dev;
}

static int mux_connect(struct input_handler *handler, struct input_dev *dev,
		       const struct input_device_id *id)
{
	struct mux *mux = container_of(handler, struct mux, handler);
	int err;

	mux->handle.dev = dev;
	mux->handle.handler = handler;
	mux->handle.name = dev_name(&dev->dev);
	mux->handle.private = mux;
	err = input_register_handle(&mux->handle);
	if (err)
		return err;
	/* Always open: the host's combinations work with any VP in front. */
	err = input_open_device(&mux->handle);
	if (err) {
		input_unregister_handle(&mux->handle);
		return err;
	}
	mutex_lock(&mux->lock);
	mux->connected = true;
	mutex_unlock(&mux->lock);
	return 0;
}

/* Unplugged, or the source is deleted. Input core's lock is held. */
static void mux_disconnect(struct input_handle *handle)
{
	struct mux *mux = handle->private;
	unsigned int code;

	mutex_lock(&mux->lock);
	mux->connected = false;
	force_feedback_apply(mux, NULL);
	if (mux->grabbed)
		input_release_device(handle);
	mux->grabbed = false;
	mutex_unlock(&mux->lock);
	/* Lets go by itself what is held, so that no combination hangs. */
	for_each_set_bit (code, handle->dev->key, KEY_CNT)
		devns_hotkey_handle_key(code, false);
	input_close_device(handle);
	input_unregister_handle(handle);
}

static const struct input_device_id any_device[] = {
	{ .driver_info = 1 },
	{},
};

/* The input device behind an event node, with a reference. */
static struct input_dev *find_real_input(dev_t devt)
{
	struct device *node = class_find_device_by_devt(&input_class, devt);
	struct input_dev *real = NULL;

	if (node && node->parent && !strncmp(dev_name(node), "event", 5))
		real = input_get_device(to_input_dev(node->parent));
	put_device(node);
	return real;
}

static void mux_free(struct mux *mux)
{
	bitmap_free(mux->stale_slots);
	bitmap_free(mux->resync_slots);
	input_put_device(mux->real);
	kfree(mux);
}

static struct mux *mux_new(struct input_dev *real)
{
	struct mux *mux = kzalloc(sizeof(*mux), GFP_KERNEL);
	unsigned int slots = real->mt ? real->mt->num_slots : 1;

	if (!mux) {
		input_put_device(real);
		return NULL;
	}
	mux->real = real;
	mutex_init(&mux->lock);
	INIT_DELAYED_WORK(&mux->settle, update_real_device);
	mux->stale_slots = bitmap_zalloc(slots, GFP_KERNEL);
	mux->resync_slots = bitmap_zalloc(slots, GFP_KERNEL);
	if (!mux->stale_slots || !mux->resync_slots) {
		mux_free(mux);
		return NULL;
	}
	bitmap_copy(mux->host_led, real->led, LED_CNT);
	mux->handler.events = mux_events;
	mux->handler.match = mux_match;
	mux->handler.connect = mux_connect;
	mux->handler.disconnect = mux_disconnect;
	mux->handler.name = "devns";
	mux->handler.id_table = any_device;
	return mux;
}

static int mux_source_add(struct devns_source *s, struct netlink_ext_ack *ack)
{
	struct input_dev *real = find_real_input(s->devt);
	struct mux *mux;
	int err;

	if (!real) {
		NL_SET_ERR_MSG(ack, "no event device has this number");
		return -ENXIO;
	}
	if (virtual_input_is_ours(real)) {
		NL_SET_ERR_MSG(ack, "an endpoint is not a source");
		input_put_device(real);
		return -EINVAL;
	}
	mux = mux_new(real);
	if (!mux)
		return -ENOMEM;
	mux->only_force = s->kind == DEVNS_KIND_VIBRATOR;
	if (mux->only_force && !real->ff) {
		NL_SET_ERR_MSG(ack, "this device has no force feedback");
		mux_free(mux);
		return -EOPNOTSUPP;
	}
	err = input_register_handler(&mux->handler);
	if (err) {
		mux_free(mux);
		return err;
	}
	if (!mux->connected) {
		NL_SET_ERR_MSG(ack, "this device cannot be opened");
		input_unregister_handler(&mux->handler);
		mux_free(mux);
		return -ENXIO;
	}
	s->priv = mux;
	return 0;
}

static void mux_source_del(struct devns_source *s)
{
	struct mux *mux = s->priv;

	input_unregister_handler(&mux->handler);
	cancel_delayed_work_sync(&mux->settle);
	mux_free(mux);
}

static ssize_t mux_write(struct devns_endpoint *ep, const char __user *buf,
			 size_t len)
{
	return virtual_input_write(ep->priv, buf, len);
}

static const struct devns_filter mux_filter = {
	.write = mux_write,
};

static int mux_endpoint_add(struct devns_endpoint *ep,
			    struct netlink_ext_ack *ack)
{
	struct virtual_input *v;
	int err;

	err = virtual_input_new(ep->source->priv, ep->ns_id, &v);
	if (err) {
		NL_SET_ERR_MSG(ack, "no input device can be made for it");
		return err;
	}
	ep->priv = v;
	err = devns_passthrough_add(ep, v->node, true, &mux_filter, ack);
	if (err)
		virtual_input_free(v);
	else
		ep->pass->path = &v->path;
	return err;
}

static void mux_endpoint_del(struct devns_endpoint *ep)
{
	struct mux *mux = ep->source->priv;
	struct virtual_input *v = ep->priv;

	stop_event_delivery(mux, v);
	devns_passthrough_del(ep);
	/* A work item that still reads the view has the lock. */
	mutex_lock(&mux->lock);
	if (mux->forced == v)
		force_feedback_apply(mux, NULL);
	mutex_unlock(&mux->lock);
	virtual_input_free(v);
	ep->priv = NULL;
}

/* A vibrator is an input device of which only the force feedback is given. */
#define MUX_OPS                                                                \
	{                                                                      \
		.has_devt = true, .is_virtual = true,                          \
		.source_add = mux_source_add, .source_del = mux_source_del,    \
		.endpoint_add = mux_endpoint_add,                              \
		.endpoint_del = mux_endpoint_del,                              \
		.endpoint_free = devns_passthrough_free, .deny = mux_deny,     \
		.drain = devns_passthrough_drain,                              \
		.finish = devns_passthrough_finish, .allow = mux_allow,        \
		.leave = mux_leave, .enter = mux_enter,                        \
	}

const struct devns_kind_ops devns_kind_input = MUX_OPS;
const struct devns_kind_ops devns_kind_vibrator = MUX_OPS;

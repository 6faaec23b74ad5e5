// SPDX-License-Identifier: GPL-2.0-only
/*
 * The input kind: events of a real device go to the virtual device of the devns
 * in front, and nowhere else. While a devns is in front the real device is
 * grabbed, so neither the host's console nor its programs get what is typed
 * there; while the host is in front it is let go. One handler a source, since
 * input core has no other way to attach to one device without a race against
 * its removal.
 */
#include "real_input.h"
#include "compat.h"
#include "force_feedback.h"
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
static void resync_absolute_axes(struct devns_real_input *r)
{
	const struct input_dev *dev = r->dev;
	unsigned int code;

	r->resync = false;
	if (!dev->absinfo)
		return;
	for_each_set_bit (code, dev->absbit, ABS_CNT)
		if (!input_is_mt_axis(code))
			input_event(r->front->dev, EV_ABS, code,
				    dev->absinfo[code].value);
}

static void resync_contact_slot(struct devns_real_input *r)
{
	const struct input_dev *dev = r->dev;
	unsigned int code;

	for_each_set_bit (code, dev->absbit, ABS_CNT)
		if (input_is_mt_value(code) && code != ABS_MT_TRACKING_ID)
			input_event(r->front->dev, EV_ABS, code,
				    input_mt_get_value(&dev->mt->slots[r->slot],
						       code));
}

static void pass_contact_event(struct devns_real_input *r,
			       const struct input_value *val)
{
	struct input_dev *dev = r->front->dev;
	bool begins = val->code == ABS_MT_TRACKING_ID && val->value >= 0;

	if (val->code == ABS_MT_TRACKING_ID)
		__clear_bit(r->slot, r->stale_slots);
	if (test_bit(r->slot, r->stale_slots))
		return;
	input_event(dev, EV_ABS, ABS_MT_SLOT, r->slot);
	input_event(dev, EV_ABS, val->code, val->value);
	if (begins && __test_and_clear_bit(r->slot, r->resync_slots))
		resync_contact_slot(r);
}

static void pass_axis_event(struct devns_real_input *r,
			    const struct input_value *val)
{
	if (r->dev->mt && input_is_mt_value(val->code))
		pass_contact_event(r, val);
	else if (val->code != ABS_MT_SLOT && !r->stale_touch)
		input_event(r->front->dev, EV_ABS, val->code, val->value);
}

static void pass_key_event(struct devns_real_input *r,
			   const struct input_value *val)
{
	/* The virtual device repeats by itself, as its devns has set it. */
	if (val->value == 2)
		return;
	if (val->code == BTN_TOUCH && !val->value)
		r->stale_touch = false;
	if (devns_hotkey_handle_key(val->code, val->value))
		return;
	if (r->front)
		input_event(r->front->dev, EV_KEY, val->code, val->value);
}

static void pass_input_event(struct devns_real_input *r,
			     const struct input_value *val)
{
	if (val->type == EV_ABS && val->code == ABS_MT_SLOT && r->dev->mt)
		r->slot = clamp(val->value, 0, r->dev->mt->num_slots - 1);
	if (r->only_ff)
		return;
	if (r->front && r->resync && is_device_event(val))
		resync_absolute_axes(r);
	if (val->type == EV_KEY)
		pass_key_event(r, val);
	else if (!r->front)
		return;
	else if (val->type == EV_ABS)
		pass_axis_event(r, val);
	else if (is_device_event(val) ||
		 (val->type == EV_SYN && val->code == SYN_MT_REPORT))
		input_event(r->front->dev, val->type, val->code, val->value);
}

static void pass_event_batch(struct input_handle *handle,
			     const struct input_value *vals, unsigned int count)
{
	struct devns_real_input *r = handle->private;
	unsigned int i;

	if (r->front)
		input_set_timestamp(
			r->front->dev,
			input_get_timestamp(r->dev)[INPUT_CLK_MONO]);
	for (i = 0; i < count; i++)
		pass_input_event(r, &vals[i]);
	if (r->front)
		input_sync(r->front->dev);
}

COMPAT_INPUT_EVENTS(real_input_events, pass_event_batch)

/* ---- who is fed */

static void start_event_delivery(struct devns_real_input *r,
				 struct devns_virtual_input *v)
{
	struct input_dev *dev = r->dev;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&dev->event_lock, flags);
	r->front = v;
	r->resync = true;
	if (dev->mt)
		r->slot = dev->absinfo[ABS_MT_SLOT].value;
	r->stale_touch = test_bit(BTN_TOUCH, dev->key);
	for (i = 0; dev->mt && i < dev->mt->num_slots; i++) {
		__set_bit(i, r->resync_slots);
		__assign_bit(i, r->stale_slots,
			     input_mt_is_active(&dev->mt->slots[i]));
	}
	/* A lid or a plug is how it is for everybody. */
	for_each_set_bit (i, dev->swbit, SW_CNT)
		input_event(v->dev, EV_SW, i, test_bit(i, dev->sw));
	input_sync(v->dev);
	spin_unlock_irqrestore(&dev->event_lock, flags);
}

static void stop_event_delivery(struct devns_real_input *r,
				struct devns_virtual_input *v)
{
	struct input_dev *dev = r->dev;
	unsigned long flags;
	bool fed;

	spin_lock_irqsave(&dev->event_lock, flags);
	fed = r->front == v;
	if (fed)
		r->front = NULL;
	spin_unlock_irqrestore(&dev->event_lock, flags);
	if (fed)
		devns_virtual_input_release(v);
}

/* ---- the real device as the foreground wants it */

/* LEDs and sounds of a virtual device; without one the host's LEDs, and
 * silence. */
static void apply_leds_and_sounds(struct devns_real_input *r,
				  const struct devns_virtual_input *v)
{
	const unsigned long *led = v ? v->dev->led : r->host_led;
	unsigned int code;

	for_each_set_bit (code, r->dev->ledbit, LED_CNT)
		input_inject_event(&r->handle, EV_LED, code,
				   test_bit(code, led));
	for_each_set_bit (code, r->dev->sndbit, SND_CNT) {
		int value = v ? READ_ONCE(v->sound[code]) : 0;

		if (value || test_bit(code, r->dev->snd))
			input_inject_event(&r->handle, EV_SND, code, value);
	}
}

static bool update_device_grab(struct devns_real_input *r)
{
	bool grab_wanted = READ_ONCE(r->grab_wanted) && !r->only_ff;

	if (grab_wanted == r->grabbed)
		return true;
	/* Who loses the device hears of no release: what is held ends now. */
	input_reset_device(r->dev);
	if (grab_wanted) {
		if (input_grab_device(&r->handle))
			return false;
	} else {
		apply_leds_and_sounds(r, NULL);
		input_release_device(&r->handle);
	}
	r->grabbed = grab_wanted;
	return true;
}

static void update_real_device(struct work_struct *work)
{
	struct devns_real_input *r = container_of(
		to_delayed_work(work), struct devns_real_input, update_work);

	mutex_lock(&r->lock);
	if (r->connected && !update_device_grab(r)) {
		pr_notice_ratelimited("devns: somebody has grabbed %s\n",
				      r->handle.name);
		queue_delayed_work(system_highpri_wq, &r->update_work,
				   msecs_to_jiffies(REGRAB_MS));
	}
	/* endpoint_del waits for this lock before it frees a virtual device. */
	if (r->connected && r->grabbed)
		apply_leds_and_sounds(r, READ_ONCE(r->front));
	if (r->connected)
		devns_force_feedback_apply(r, READ_ONCE(r->front));
	mutex_unlock(&r->lock);
}

static void real_input_leave(struct devns_source_device *s,
			     struct devns_endpoint *old)
{
	struct devns_real_input *r = s->priv;

	if (old)
		stop_event_delivery(r, old->priv);
	else
		bitmap_copy(r->host_led, r->dev->led, LED_CNT);
}

static void real_input_enter(struct devns_source_device *s,
			     struct devns_endpoint *new)
{
	struct devns_real_input *r = s->priv;

	WRITE_ONCE(r->grab_wanted, new != NULL);
	devns_real_input_schedule_update(r);
	if (!new)
		return;
	/* Not before the host has lost it. */
	if (!READ_ONCE(r->grabbed) && !r->only_ff)
		flush_delayed_work(&r->update_work);
	if (new->allowed)
		start_event_delivery(r, new->priv);
	devns_real_input_schedule_update(r);
}

static void real_input_deny(struct devns_endpoint *ep)
{
	struct devns_real_input *r = ep->source->priv;

	stop_event_delivery(r, ep->priv);
	devns_passthrough_deny(ep);
	devns_real_input_schedule_update(r);
}

static void real_input_allow(struct devns_endpoint *ep)
{
	struct devns_real_input *r = ep->source->priv;

	devns_passthrough_allow(ep);
	if (ep->ns != devns_active)
		return;
	start_event_delivery(r, ep->priv);
	devns_real_input_schedule_update(r);
}

/* ---- sources */

static bool real_input_match(struct input_handler *handler,
			     struct input_dev *dev)
{
	return container_of(handler, struct devns_real_input, handler)->dev ==
	       dev;
}

static int real_input_connect(struct input_handler *handler,
			      struct input_dev *dev,
			      const struct input_device_id *id)
{
	struct devns_real_input *r =
		container_of(handler, struct devns_real_input, handler);
	int err;

	r->handle.dev = dev;
	r->handle.handler = handler;
	r->handle.name = dev_name(&dev->dev);
	r->handle.private = r;
	err = input_register_handle(&r->handle);
	if (err)
		return err;
	/* Always open: the host's combinations work with any VP in front. */
	err = input_open_device(&r->handle);
	if (err) {
		input_unregister_handle(&r->handle);
		return err;
	}
	mutex_lock(&r->lock);
	r->connected = true;
	mutex_unlock(&r->lock);
	return 0;
}

/* Unplugged, or the source is deleted. Input core's lock is held. */
static void real_input_disconnect(struct input_handle *handle)
{
	struct devns_real_input *r = handle->private;
	unsigned int code;

	mutex_lock(&r->lock);
	r->connected = false;
	devns_force_feedback_apply(r, NULL);
	if (r->grabbed)
		input_release_device(handle);
	r->grabbed = false;
	mutex_unlock(&r->lock);
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
	struct input_dev *dev = NULL;

	if (node && node->parent && !strncmp(dev_name(node), "event", 5))
		dev = input_get_device(to_input_dev(node->parent));
	put_device(node);
	return dev;
}

static void real_input_free(struct devns_real_input *r)
{
	bitmap_free(r->stale_slots);
	bitmap_free(r->resync_slots);
	input_put_device(r->dev);
	kfree(r);
}

static struct devns_real_input *real_input_new(struct input_dev *dev)
{
	struct devns_real_input *r = kzalloc(sizeof(*r), GFP_KERNEL);
	unsigned int slots = dev->mt ? dev->mt->num_slots : 1;

	if (!r) {
		input_put_device(dev);
		return NULL;
	}
	r->dev = dev;
	mutex_init(&r->lock);
	INIT_DELAYED_WORK(&r->update_work, update_real_device);
	r->stale_slots = bitmap_zalloc(slots, GFP_KERNEL);
	r->resync_slots = bitmap_zalloc(slots, GFP_KERNEL);
	if (!r->stale_slots || !r->resync_slots) {
		real_input_free(r);
		return NULL;
	}
	bitmap_copy(r->host_led, dev->led, LED_CNT);
	r->handler.events = real_input_events;
	r->handler.match = real_input_match;
	r->handler.connect = real_input_connect;
	r->handler.disconnect = real_input_disconnect;
	r->handler.name = "devns";
	r->handler.id_table = any_device;
	return r;
}

static int real_input_source_add(struct devns_source_device *s,
				 struct netlink_ext_ack *ack)
{
	struct input_dev *dev = find_real_input(s->devt);
	struct devns_real_input *r;
	int err;

	if (!dev) {
		NL_SET_ERR_MSG(ack, "no event device has this number");
		return -ENXIO;
	}
	if (devns_virtual_input_is_ours(dev)) {
		NL_SET_ERR_MSG(ack, "an endpoint is not a source");
		input_put_device(dev);
		return -EINVAL;
	}
	r = real_input_new(dev);
	if (!r)
		return -ENOMEM;
	r->only_ff = s->kind == DEVNS_KIND_VIBRATOR;
	if (r->only_ff && !dev->ff) {
		NL_SET_ERR_MSG(ack, "this device has no force feedback");
		real_input_free(r);
		return -EOPNOTSUPP;
	}
	err = input_register_handler(&r->handler);
	if (err) {
		real_input_free(r);
		return err;
	}
	if (!r->connected) {
		NL_SET_ERR_MSG(ack, "this device cannot be opened");
		input_unregister_handler(&r->handler);
		real_input_free(r);
		return -ENXIO;
	}
	s->priv = r;
	return 0;
}

static void real_input_source_del(struct devns_source_device *s)
{
	struct devns_real_input *r = s->priv;

	input_unregister_handler(&r->handler);
	cancel_delayed_work_sync(&r->update_work);
	real_input_free(r);
}

static ssize_t real_input_write(struct devns_endpoint *ep,
				const char __user *buf, size_t len)
{
	return devns_virtual_input_write(ep->priv, buf, len);
}

static const struct devns_filter real_input_filter = {
	.write = real_input_write,
};

static int real_input_endpoint_add(struct devns_endpoint *ep,
				   struct netlink_ext_ack *ack)
{
	struct devns_virtual_input *v;
	int err;

	err = devns_virtual_input_new(ep->source->priv, ep->ns_id, &v);
	if (err) {
		NL_SET_ERR_MSG(ack, "no input device can be made for it");
		return err;
	}
	ep->priv = v;
	err = devns_passthrough_add(ep, v->devt, true, &real_input_filter, ack);
	if (err)
		devns_virtual_input_free(v);
	else
		ep->pass->path = &v->path;
	return err;
}

static void real_input_endpoint_del(struct devns_endpoint *ep)
{
	struct devns_real_input *r = ep->source->priv;
	struct devns_virtual_input *v = ep->priv;

	stop_event_delivery(r, v);
	devns_passthrough_del(ep);
	/* A work item that still reads the virtual device has the lock. */
	mutex_lock(&r->lock);
	if (r->ff_owner == v)
		devns_force_feedback_apply(r, NULL);
	mutex_unlock(&r->lock);
	devns_virtual_input_free(v);
	ep->priv = NULL;
}

/* A vibrator is an input device of which only the force feedback is given. */
#define INPUT_OPS                                                              \
	{                                                                      \
		.has_devt = true, .is_virtual = true,                          \
		.source_add = real_input_source_add,                           \
		.source_del = real_input_source_del,                           \
		.endpoint_add = real_input_endpoint_add,                       \
		.endpoint_del = real_input_endpoint_del,                       \
		.endpoint_free = devns_passthrough_free,                       \
		.deny = real_input_deny, .drain = devns_passthrough_drain,     \
		.finish = devns_passthrough_finish, .allow = real_input_allow, \
		.leave = real_input_leave, .enter = real_input_enter,          \
	}

const struct devns_kind_ops devns_kind_input = INPUT_OPS;
const struct devns_kind_ops devns_kind_vibrator = INPUT_OPS;

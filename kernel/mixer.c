// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control node of a sound card, which is needed to play and to record: a
 * devns that may do only one of them has the node, and changes no element of
 * the other. (A program that changes a request while it is read gets past this.
 * What it changes then is a setting; it hears nothing by it.)
 */
#include "passthrough.h"

#include <linux/fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <sound/asound.h>
#include <sound/control.h>
#include <sound/core.h>

#define MICROPHONE BIT(CELLS_CLASS_MICROPHONE)
#define SPEAKER BIT(CELLS_CLASS_SPEAKER)

/* Parts of element names (Documentation/sound/designs/control-names.rst). */
static const struct {
	const char *part;
	u32 classes;
} names[] = {
	{ "Capture", MICROPHONE }, { "Mic", MICROPHONE },
	{ "ADC", MICROPHONE },	   { "Input Source", MICROPHONE },
	{ "Playback", SPEAKER },   { "Master", SPEAKER },
	{ "Headphone", SPEAKER },  { "Speaker", SPEAKER },
	{ "DAC", SPEAKER },	   { "Earpiece", SPEAKER },
};

/* What is of neither is of both. */
static u32 get_name_classes(const char *name)
{
	u32 classes = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (strnstr(name, names[i].part, SNDRV_CTL_ELEM_ID_NAME_MAXLEN))
			classes |= names[i].classes;
	return classes ?: MICROPHONE | SPEAKER;
}

static bool is_matching_element(const struct snd_kcontrol *k,
				const struct snd_ctl_elem_id *id)
{
	/* As the driver looks it up: by number, if there is one. */
	if (id->numid)
		return id->numid >= k->id.numid &&
		       id->numid < k->id.numid + k->count;
	return k->id.iface == id->iface && k->id.device == id->device &&
	       k->id.subdevice == id->subdevice &&
	       !strncmp(k->id.name, id->name, sizeof(k->id.name)) &&
	       id->index >= k->id.index && id->index < k->id.index + k->count;
}

static u32 get_element_classes(struct snd_card *card,
			       const struct snd_ctl_elem_id *id)
{
	u32 classes = MICROPHONE | SPEAKER;
	struct snd_kcontrol *k;

	down_read(&card->controls_rwsem);
	list_for_each_entry (k, &card->controls, list)
		if (is_matching_element(k, id)) {
			classes = get_name_classes(k->id.name);
			break;
		}
	up_read(&card->controls_rwsem);
	return classes;
}

/* TLV data names an element by its number only. */
static int read_element_id(unsigned int cmd, unsigned long arg,
			   struct snd_ctl_elem_id *ret)
{
	void __user *user = (void __user *)arg;

	memset(ret, 0, sizeof(*ret));
	switch (_IOC_NR(cmd)) {
	case 0x13: /* ELEM_WRITE: the value begins with the id */
	case 0x14: /* ELEM_LOCK */
	case 0x15: /* ELEM_UNLOCK */
		return copy_from_user(ret, user, sizeof(*ret)) ? -EFAULT : 1;
	case 0x1b: /* TLV_WRITE */
	case 0x1c: /* TLV_COMMAND */
		return get_user(ret->numid, (u32 __user *)user) ?: 1;
	}
	return 0;
}

static int check_mixer_ioctl(struct devns_endpoint *ep, struct file *real,
			     unsigned int cmd, unsigned long arg)
{
	u32 granted = READ_ONCE(ep->granted);
	const struct snd_ctl_file *ctl = real->private_data;
	struct snd_ctl_elem_id id;
	int changes;

	if (_IOC_TYPE(cmd) != 'U' || !(~granted & (MICROPHONE | SPEAKER)))
		return 0;
	changes = read_element_id(cmd, arg, &id);
	if (changes <= 0)
		return changes;
	return get_element_classes(ctl->card, &id) & ~granted ? -EPERM : 0;
}

static const struct devns_filter mixer_filter = {
	.ioctl = check_mixer_ioctl,
};

/* 1: a card's control; 0: another node of sound. */
static int is_control_node(struct device *dev, void *unused)
{
	if (!dev->class || strcmp(dev->class->name, "sound"))
		return -EINVAL;
	return strstarts(dev_name(dev), "controlC");
}

static int mixer_endpoint_add(struct devns_endpoint *ep,
			      struct netlink_ext_ack *ack)
{
	int control =
		devns_real_device_call(ep->source->devt, is_control_node, NULL);

	if (control < 0) {
		NL_SET_ERR_MSG(ack, "the device is not a sound card's");
		return control;
	}
	return devns_passthrough_add(ep, ep->source->devt, true,
				     control ? &mixer_filter : NULL, ack);
}

const struct devns_kind_ops devns_kind_mixer = {
	.has_devt = true,
	.any_class = true,
	.endpoint_add = mixer_endpoint_add,
	.endpoint_del = devns_passthrough_del,
	.endpoint_free = devns_passthrough_free,
	.deny = devns_passthrough_deny,
	.drain = devns_passthrough_drain,
	.finish = devns_passthrough_finish,
	.allow = devns_passthrough_allow,
};

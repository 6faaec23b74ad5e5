// SPDX-License-Identifier: GPL-2.0
/*
 * Key combinations that belong to the host whatever is in front: user space is
 * told by an event and switches. They are looked for in the real devices, so
 * neither a grab nor a program that hangs can hide them.
 */
#include "devns.h"

#include <linux/bitmap.h>
#include <linux/input.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#define COMBOS_MAX 8
#define COMBO_KEYS_MAX 4
#define COMBO_TEXT_MAX 256

struct combo {
	u32 keys[COMBO_KEYS_MAX];
	u32 n;
};

struct table {
	struct combo combos[COMBOS_MAX];
	u32 n;
};

/* A leaf; taken under an input device's event lock. */
static DEFINE_SPINLOCK(combo_lock);
#define CTRL_ALT(key)                                                          \
	{                                                                      \
		.keys = { KEY_LEFTCTRL, KEY_LEFTALT, key }, .n = 3             \
	}
static struct table table = {
	.combos = { CTRL_ALT(KEY_HOME), CTRL_ALT(KEY_END), CTRL_ALT(KEY_ESC) },
	.n = 3,
};
static DECLARE_BITMAP(held, KEY_CNT);
static unsigned long pressed; /* a bit for each of the table */

static void tell(struct work_struct *work)
{
	unsigned long flags, found, i;

	spin_lock_irqsave(&combo_lock, flags);
	found = pressed;
	pressed = 0;
	spin_unlock_irqrestore(&combo_lock, flags);
	mutex_lock(&devns_mutex);
	for_each_set_bit (i, &found, COMBOS_MAX)
		devns_audit_combo(devns_active ? devns_active->id : 0, i);
	mutex_unlock(&devns_mutex);
}

static DECLARE_WORK(tell_work, tell);

/* Whether all its keys are held and this is one of them. */
static bool completes(const struct combo *c, u32 code)
{
	bool mine = false;
	u32 i;

	for (i = 0; i < c->n; i++) {
		if (!test_bit(c->keys[i], held))
			return false;
		mine |= c->keys[i] == code;
	}
	return mine;
}

bool devns_combo_key(u32 code, bool down)
{
	unsigned long flags;
	bool found = false;
	u32 i;

	if (code >= KEY_CNT)
		return false;
	spin_lock_irqsave(&combo_lock, flags);
	__assign_bit(code, held, down);
	for (i = 0; down && i < table.n; i++) {
		if (!completes(&table.combos[i], code))
			continue;
		found = true;
		__set_bit(i, &pressed);
	}
	spin_unlock_irqrestore(&combo_lock, flags);
	if (found)
		schedule_work(&tell_work);
	return found;
}

void devns_combo_exit(void)
{
	cancel_work_sync(&tell_work);
}

/* ---- the parameter: "29+56+102,116+114" */

static int parse_combo(char *text, struct combo *c)
{
	char *word;
	u32 code;

	while ((word = strsep(&text, "+"))) {
		if (c->n == COMBO_KEYS_MAX || kstrtou32(word, 0, &code) ||
		    !code || code >= KEY_CNT)
			return -EINVAL;
		c->keys[c->n++] = code;
	}
	return 0;
}

static int parse_table(char *text, struct table *t)
{
	char *word;

	text = strim(text);
	/* Empty: there are none. */
	while (*text && (word = strsep(&text, ","))) {
		if (t->n == COMBOS_MAX || parse_combo(word, &t->combos[t->n]))
			return -EINVAL;
		t->n++;
		if (!text)
			break;
	}
	return 0;
}

static int combo_set(const char *value, const struct kernel_param *kp)
{
	struct table next = {};
	unsigned long flags;
	char *text;
	int err;

	if (strlen(value) > COMBO_TEXT_MAX)
		return -EINVAL;
	text = kstrdup(value, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	err = parse_table(text, &next);
	kfree(text);
	if (err)
		return err;
	spin_lock_irqsave(&combo_lock, flags);
	table = next;
	pressed = 0;
	spin_unlock_irqrestore(&combo_lock, flags);
	return 0;
}

static int combo_get(char *buffer, const struct kernel_param *kp)
{
	struct table now;
	unsigned long flags;
	int len = 0;
	u32 i, k;

	spin_lock_irqsave(&combo_lock, flags);
	now = table;
	spin_unlock_irqrestore(&combo_lock, flags);
	for (i = 0; i < now.n; i++)
		for (k = 0; k < now.combos[i].n; k++)
			len += scnprintf(buffer + len, PAGE_SIZE - len, "%s%u",
					 k ? "+" : (i ? "," : ""),
					 now.combos[i].keys[k]);
	return len + scnprintf(buffer + len, PAGE_SIZE - len, "\n");
}

static const struct kernel_param_ops combo_ops = {
	.set = combo_set,
	.get = combo_get,
};
module_param_cb(combo, &combo_ops, NULL, 0644);
MODULE_PARM_DESC(combo,
		 "the host's key combinations, as codes: 29+56+102,116+114");

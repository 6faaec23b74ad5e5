// SPDX-License-Identifier: GPL-2.0-only
/*
 * Key combinations that belong to the host whatever is in front: user space is
 * reported by an event and switches. They are looked for in the real devices,
 * so neither a grab nor a program that hangs can hide them.
 */
#include "devns.h"

#include <linux/bitmap.h>
#include <linux/input.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#define HOTKEYS_MAX 8
#define HOTKEY_KEYS_MAX 4
#define HOTKEY_TEXT_MAX 256

struct hotkey {
	u32 keys[HOTKEY_KEYS_MAX];
	u32 n;
};

struct hotkey_table {
	struct hotkey hotkeys[HOTKEYS_MAX];
	u32 n;
};

/* A leaf; taken under an input device's event lock. */
static DEFINE_SPINLOCK(hotkey_lock);
#define CTRL_ALT(key)                                                          \
	{                                                                      \
		.keys = { KEY_LEFTCTRL, KEY_LEFTALT, key }, .n = 3             \
	}
static struct hotkey_table table = {
	.hotkeys = { CTRL_ALT(KEY_HOME), CTRL_ALT(KEY_END), CTRL_ALT(KEY_ESC) },
	.n = 3,
};
static DECLARE_BITMAP(held, KEY_CNT);
static unsigned long pressed; /* a bit for each of the table */

static void report_pressed_hotkeys(struct work_struct *work)
{
	unsigned long flags, found, i;

	spin_lock_irqsave(&hotkey_lock, flags);
	found = pressed;
	pressed = 0;
	spin_unlock_irqrestore(&hotkey_lock, flags);
	mutex_lock(&devns_mutex);
	for_each_set_bit (i, &found, HOTKEYS_MAX)
		devns_audit_hotkey(devns_active ? devns_active->id : 0, i);
	mutex_unlock(&devns_mutex);
}

static DECLARE_WORK(report_work, report_pressed_hotkeys);

/* Whether all its keys are held and this is one of them. */
static bool is_hotkey_completed(const struct hotkey *c, u32 code)
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

bool devns_hotkey_handle_key(u32 code, bool down)
{
	unsigned long flags;
	bool found = false;
	u32 i;

	if (code >= KEY_CNT)
		return false;
	spin_lock_irqsave(&hotkey_lock, flags);
	__assign_bit(code, held, down);
	for (i = 0; down && i < table.n; i++) {
		if (!is_hotkey_completed(&table.hotkeys[i], code))
			continue;
		found = true;
		__set_bit(i, &pressed);
	}
	spin_unlock_irqrestore(&hotkey_lock, flags);
	if (found)
		schedule_work(&report_work);
	return found;
}

void devns_hotkey_exit(void)
{
	cancel_work_sync(&report_work);
}

/* ---- the parameter: "29+56+102,116+114" */

static int parse_hotkey(char *text, struct hotkey *c)
{
	char *word;
	u32 code;

	while ((word = strsep(&text, "+"))) {
		if (c->n == HOTKEY_KEYS_MAX || kstrtou32(word, 0, &code) ||
		    !code || code >= KEY_CNT)
			return -EINVAL;
		c->keys[c->n++] = code;
	}
	return 0;
}

static int parse_hotkey_table(char *text, struct hotkey_table *t)
{
	char *word;

	text = strim(text);
	/* Empty: there are none. */
	while (*text && (word = strsep(&text, ","))) {
		if (t->n == HOTKEYS_MAX ||
		    parse_hotkey(word, &t->hotkeys[t->n]))
			return -EINVAL;
		t->n++;
		if (!text)
			break;
	}
	return 0;
}

static int set_hotkey_param(const char *value, const struct kernel_param *kp)
{
	struct hotkey_table next = {};
	unsigned long flags;
	char *text;
	int err;

	if (strlen(value) > HOTKEY_TEXT_MAX)
		return -EINVAL;
	text = kstrdup(value, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	err = parse_hotkey_table(text, &next);
	kfree(text);
	if (err)
		return err;
	spin_lock_irqsave(&hotkey_lock, flags);
	table = next;
	pressed = 0;
	spin_unlock_irqrestore(&hotkey_lock, flags);
	return 0;
}

static int get_hotkey_param(char *buffer, const struct kernel_param *kp)
{
	struct hotkey_table now;
	unsigned long flags;
	int len = 0;
	u32 i, k;

	spin_lock_irqsave(&hotkey_lock, flags);
	now = table;
	spin_unlock_irqrestore(&hotkey_lock, flags);
	for (i = 0; i < now.n; i++)
		for (k = 0; k < now.hotkeys[i].n; k++)
			len += scnprintf(buffer + len, PAGE_SIZE - len, "%s%u",
					 k ? "+" : (i ? "," : ""),
					 now.hotkeys[i].keys[k]);
	return len + scnprintf(buffer + len, PAGE_SIZE - len, "\n");
}

static const struct kernel_param_ops hotkey_param_ops = {
	.set = set_hotkey_param,
	.get = get_hotkey_param,
};
module_param_cb(combo, &hotkey_param_ops, NULL, 0644);
MODULE_PARM_DESC(combo,
		 "the host's key combinations, as codes: 29+56+102,116+114");

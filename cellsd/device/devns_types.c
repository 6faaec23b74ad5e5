/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/devns_types.h"

#include <stddef.h>

static const char *const event_names[DEVNS_EVENT_COUNT_] = {
	[DEVNS_EVENT_OPEN] = "open",	 [DEVNS_EVENT_DENY] = "deny",
	[DEVNS_EVENT_CLOSE] = "close",	 [DEVNS_EVENT_REVOKE] = "revoke",
	[DEVNS_EVENT_SWITCH] = "switch", [DEVNS_EVENT_MODE] = "mode",
	[DEVNS_EVENT_LOST] = "lost",	 [DEVNS_EVENT_COMBO] = "combo",
};

static const char *const kind_names[DEVNS_KIND_COUNT_] = {
	[DEVNS_KIND_CUT] = "cut",
	[DEVNS_KIND_SUSPEND] = "suspend",
	[DEVNS_KIND_FB] = "fb",
	[DEVNS_KIND_INPUT] = "input",
	[DEVNS_KIND_POWER] = "power",
	[DEVNS_KIND_LED] = "led",
	[DEVNS_KIND_BACKLIGHT] = "backlight",
	[DEVNS_KIND_VIBRATOR] = "vibrator",
	[DEVNS_KIND_MIXER] = "mixer",
};

const char *devns_types_event_name(uint32_t event)
{
	const char *name =
		event < DEVNS_EVENT_COUNT_ ? event_names[event] : NULL;

	return name ? name : "?";
}

const char *devns_types_kind_name(uint32_t kind)
{
	const char *name = kind < DEVNS_KIND_COUNT_ ? kind_names[kind] : NULL;

	return name ? name : "?";
}

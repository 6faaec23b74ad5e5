/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/source_plan.h"

#include <fnmatch.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/*
 * The first row that fits a class and a name. A raw node of the input or of the
 * display (hidraw, a DRM card) reaches around what is muxed: it is shut. Block
 * devices and what Mesa insists to find under its own major are not passed on.
 */
static const struct {
	enum cells_class cls;
	const char *name;
	enum backend_access way;
	enum devns_kind kind;
} rows[] = {
	{ CELLS_CLASS_DISPLAY, "fb[0-9]*", BACKEND_BY_ENDPOINT, DEVNS_KIND_FB },
	{ CELLS_CLASS_DISPLAY, "*", BACKEND_SHUT, 0 },
	{ CELLS_CLASS_VIBRATOR, "input/event*", BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_VIBRATOR },
	{ CELLS_CLASS_INPUT, "input/event*", BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_INPUT },
	{ CELLS_CLASS_INPUT, "*", BACKEND_SHUT, 0 },
	{ CELLS_CLASS_GPU, "*", BACKEND_BY_CLASS, 0 },
	{ CELLS_CLASS_LED, "leds/*", BACKEND_BY_ENDPOINT, DEVNS_KIND_LED },
	{ CELLS_CLASS_BACKLIGHT, "backlight/*", BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_BACKLIGHT },
	{ CELLS_CLASS_POWER, "power/*", BACKEND_BY_ENDPOINT, DEVNS_KIND_POWER },
	{ CELLS_CLASS_GPS, "*", BACKEND_BY_ENDPOINT, DEVNS_KIND_SUSPEND },
	/* Its buffer is one program's: a VP behind must let go of it. */
	{ CELLS_CLASS_SENSORS, "iio:*", BACKEND_BY_ENDPOINT, DEVNS_KIND_CUT },
	{ CELLS_CLASS_SENSORS, "*", BACKEND_BY_ENDPOINT, DEVNS_KIND_SUSPEND },
	/* Who plays or records needs these, and may have one class of two. */
	{ CELLS_CLASS_SPEAKER, "snd/controlC*", BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_MIXER },
	{ CELLS_CLASS_SPEAKER, "snd/timer", BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_MIXER },
	{ CELLS_CLASS_MODEM, "tty*", BACKEND_BY_ENDPOINT, DEVNS_KIND_SUSPEND },
};

static bool has_device_number(const struct backend_node *n)
{
	return n->major || n->minor;
}

static bool is_number_required(uint32_t kind)
{
	return kind != DEVNS_KIND_POWER && kind != DEVNS_KIND_LED &&
	       kind != DEVNS_KIND_BACKLIGHT;
}

enum backend_access source_plan_for_node(const struct backend_node *n,
					 struct devns_link_source *ret)
{
	enum devns_kind kind = DEVNS_KIND_CUT;
	enum backend_access way = BACKEND_BY_ENDPOINT;

	if (n->block)
		return BACKEND_BY_CLASS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!(n->classes >> rows[i].cls & 1) ||
		    fnmatch(rows[i].name, n->name, 0) != 0)
			continue;
		kind = rows[i].kind;
		way = rows[i].way;
		break;
	}
	if (way == BACKEND_BY_ENDPOINT &&
	    ((is_number_required(kind) && !has_device_number(n)) ||
	     strlen(n->name) >= sizeof(ret->node)))
		return BACKEND_SHUT;
	if (way != BACKEND_BY_ENDPOINT)
		return way;
	*ret = (struct devns_link_source){ .classes = n->classes,
					   .kind = kind,
					   .major = n->major,
					   .minor = n->minor };
	snprintf(ret->node, sizeof(ret->node), "%.*s",
		 (int)sizeof(ret->node) - 1, n->name);
	return way;
}

bool source_plan_is_equal(const struct devns_link_source *a,
			  const struct devns_link_source *b)
{
	return a->classes == b->classes && a->kind == b->kind &&
	       a->major == b->major && a->minor == b->minor &&
	       strcmp(a->node, b->node) == 0;
}

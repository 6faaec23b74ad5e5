/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/class.h"

#include <string.h>

static const struct {
	const char *name;
	enum cells_class parent;
	bool shared, is_virtual;
} classes[CELLS_CLASS_COUNT] = {
#define CLASS_ROW(sym, name, parent, shared, virt)                             \
	[CELLS_CLASS_##sym] = { name, CELLS_CLASS_##parent, shared, virt },
	CELLS_CLASSES(CLASS_ROW)
#undef CLASS_ROW
};

const char *class_name(enum cells_class c)
{
	return classes[c].name;
}

enum cells_class class_from_name(const char *name)
{
	enum cells_class c = 0;

	while (c < CELLS_CLASS_COUNT && strcmp(classes[c].name, name) != 0)
		c++;
	return c;
}

enum cells_class class_parent(enum cells_class c)
{
	return classes[c].parent;
}

uint32_t class_drop_coarser(uint32_t given)
{
	uint32_t coarser = 0;

	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		if (given >> c & 1 && class_parent(c) != (enum cells_class)c)
			coarser |= 1U << class_parent(c);
	return given & ~coarser;
}

bool class_has_shared(enum cells_class c)
{
	return classes[c].shared;
}

bool class_is_virtual(enum cells_class c)
{
	return classes[c].is_virtual;
}

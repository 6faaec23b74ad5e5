/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of hardware of kernel/uapi/cells/class.h, by name. */
#ifndef LIB_CLASS_H
#define LIB_CLASS_H

#include <stdbool.h>
#include <stdint.h>

#include <cells/class.h>

/* "camera"; static. */
const char *class_name(enum cells_class c);
/* CELLS_CLASS_COUNT: there is no such class. */
enum cells_class class_from_name(const char *name);
/* The coarser class, or c itself. */
enum cells_class class_parent(enum cells_class c);
/* Of classes, a bit each: without those of which a finer one is among them. */
uint32_t class_drop_coarser(uint32_t given);
bool class_has_shared(enum cells_class c);
/* Acts on the VP's virtual state in the background (where devns is there). */
bool class_is_virtual(enum cells_class c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of hardware of kernel/uapi/cells/class.h, by name. */
#ifndef LIB_CLASS_H
#define LIB_CLASS_H

#include <stdbool.h>
#include <stdint.h>

#include <cells/class.h>

/* "camera"; static. */
const char *class_name(enum cells_class c);
/* Returns CELLS_CLASS_COUNT if there is no such class. */
enum cells_class class_from_name(const char *name);
/* Returns the coarser class, or c itself. */
enum cells_class class_parent(enum cells_class c);
/*
 * Removes from a set of classes (one bit each) those of which a finer class is
 * in the set.
 */
uint32_t class_drop_coarser(uint32_t given);
bool class_has_shared(enum cells_class c);
/*
 * Does the class act on the VP's virtual state in the background (with devns)?
 */
bool class_is_virtual(enum cells_class c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes that a udev rule gives to a device, cells-hardware(5):
 *   ENV{CELLS_CLASS}="camera", TAG+="cells"
 * They count in place of what hardware profiles say.
 */
#ifndef CELLSD_DEVICE_UDEV_CLASS_H
#define CELLSD_DEVICE_UDEV_CLASS_H

#include <stdint.h>

#define UDEV_CLASS_PROPERTY "CELLS_CLASS"
#define UDEV_CLASS_TAG "cells"	/* devices of any subsystem are found by it */
#define UDEV_CLASS_NONE "none"	/* the device is given to no VP */
#define UDEV_CLASS_WORD_SIZE 32 /* of a word that a message names */

/*
 * The classes that the value names, a bit each; words have blanks between
 * them. "none" is 0. -EINVAL: a word is not a class; it is in `unknown`, cut to
 * its size.
 */
int udev_class_parse(const char *value, uint32_t *ret,
		     char unknown[UDEV_CLASS_WORD_SIZE]);

#endif

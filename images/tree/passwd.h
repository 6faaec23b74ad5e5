/* SPDX-License-Identifier: Apache-2.0 */
/* An image's passwd(5) or group(5): names and their numbers. */
#ifndef IMAGES_TREE_PASSWD_H
#define IMAGES_TREE_PASSWD_H

#include <stdbool.h>
#include <stdint.h>

#define PASSWD_MAX (1024 * 1024)

/* The number of `name`; false: none has it, or text is NULL. */
bool passwd_lookup_id(const char *text, const char *name, uint32_t *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/udev_class.h"

#include "lib/class.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t"

int udev_class_parse(const char *value, uint32_t *ret,
		     char unknown[UDEV_CLASS_WORD_SIZE])
{
	uint32_t classes = 0;

	for (value += strspn(value, BLANKS); *value;
	     value += strspn(value, BLANKS)) {
		char word[UDEV_CLASS_WORD_SIZE];
		size_t len = strcspn(value, BLANKS);
		enum cells_class c;

		snprintf(word, sizeof(word), "%.*s", (int)len, value);
		value += len;
		if (strcmp(word, UDEV_CLASS_NONE) == 0)
			continue;
		c = class_from_name(word);
		if (c == CELLS_CLASS_COUNT) {
			memcpy(unknown, word, sizeof(word));
			return -EINVAL;
		}
		classes |= 1U << c;
	}
	*ret = class_drop_coarser(classes);
	return 0;
}

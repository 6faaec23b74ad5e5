/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/doc.h"

#include <errno.h>
#include <string.h>

const char *const doc_level_names[] = {
	[DOC_OPEN] = "open",
	[DOC_LIVE] = "live",
	[DOC_MAPPED] = "mapped",
	NULL,
};

const char *doc_level_name(enum doc_level l)
{
	return doc_level_names[l];
}

int doc_level_from_name(const char *name, enum doc_level *ret)
{
	for (enum doc_level l = DOC_OPEN; doc_level_names[l]; l++) {
		if (strcmp(doc_level_names[l], name) != 0)
			continue;
		*ret = l;
		return 0;
	}
	return -EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "images/erofs.h"

#include "images/cancel.h"
#include "lib/err.h"

#include <inttypes.h>
#include <stdio.h>

/* Of no meaning but to be the same each time. */
#define UUID "63656c6c-7300-4000-8000-%012x"

int erofs_make(const char *tree, const char *file, unsigned int index,
	       int64_t newest, const char *compress, const char *log,
	       struct err *e)
{
	char uuid[sizeof(UUID) + 12], epoch[64], compressor[32];
	const char *const env[] = { epoch, NULL };
	const char *argv[11];
	unsigned int n = 0;

	snprintf(uuid, sizeof(uuid), UUID, index);
	snprintf(epoch, sizeof(epoch), "SOURCE_DATE_EPOCH=%" PRId64, newest);
	argv[n++] = "mkfs.erofs";
	argv[n++] = "--quiet";
	argv[n++] = "-U";
	argv[n++] = uuid;
	argv[n++] = "-Enoinline_data";
	if (compress) {
		snprintf(compressor, sizeof(compressor), "-z%s", compress);
		argv[n++] = compressor;
	}
	argv[n++] = "--";
	argv[n++] = file;
	argv[n++] = tree;
	argv[n] = NULL;
	return cancel_run(argv, env, log, e);
}

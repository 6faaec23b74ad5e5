/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/reason.h"

#include "lib/auto.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *code, *text, *remedy;
	int err;
} reasons[REASON_COUNT] = {
#define REASON(symbol, code, err, text, remedy)                                \
	[REASON_##symbol] = { code, text, remedy, err },
#include "schema/reasons.def"
#undef REASON
};

const char *reason_code(enum reason r)
{
	return reasons[r].code;
}

const char *reason_text(enum reason r)
{
	return reasons[r].text;
}

const char *reason_remedy(enum reason r)
{
	return reasons[r].remedy;
}

int reason_errno(enum reason r)
{
	return reasons[r].err;
}

enum reason reason_from_code(const char *code)
{
	for (unsigned int r = 1; r < REASON_COUNT; r++)
		if (strcmp(reasons[r].code, code) == 0)
			return r;
	return REASON_NONE;
}

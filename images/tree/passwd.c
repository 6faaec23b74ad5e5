/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/passwd.h"

#include "lib/encoding.h"

#include <stdio.h>
#include <string.h>

/* The third field of a line: name:password:number:... */
static bool parse_number_field(const char *line, uint32_t *ret)
{
	const char *at = strchr(line, ':');
	char digits[16];
	uint64_t n;

	at = at ? at + 1 : "";
	snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(at, ":\n"), at);
	if (encoding_parse_number(digits, UINT32_MAX - 1, &n) < 0)
		return false;
	*ret = (uint32_t)n;
	return true;
}

bool passwd_lookup_id(const char *text, const char *name, uint32_t *ret)
{
	size_t n = strlen(name);

	for (const char *line = text; line && *line;) {
		const char *end = strchr(line, '\n');

		if (strncmp(line, name, n) == 0 && line[n] == ':' &&
		    parse_number_field(line + n + 1, ret))
			return true;
		line = end ? end + 1 : NULL;
	}
	return false;
}

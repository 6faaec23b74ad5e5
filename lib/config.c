/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FILE_MAX (64 * 1024)
#define KEYS_MAX 64

struct config_reader {
	const char *path;
	unsigned int line;
	uint64_t seen; /* a bit for each key of the table */
};

static int store_config_value(const struct config_reader *rd,
			      const struct config_key *k, const char *value,
			      struct err *e)
{
	uint64_t number;
	char *copy;

	switch (k->kind) {
	case CONFIG_STRING:
		copy = strdup(value);
		if (!copy)
			return err_oom(e, rd->path);
		free(*(char **)k->value);
		*(char **)k->value = copy;
		return 0;
	case CONFIG_NUMBER:
		if (encoding_parse_number(value, k->max, &number) < 0 ||
		    number < k->min)
			return err_set(e, EINVAL,
				       "%s:%u: %s = %s: not a number from "
				       "%" PRIu64 " to %" PRIu64,
				       rd->path, rd->line, k->name, value,
				       k->min, k->max);
		*(uint64_t *)k->value = number;
		return 0;
	case CONFIG_BOOL:
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
			return err_set(e, EINVAL,
				       "%s:%u: %s = %s: not yes or no",
				       rd->path, rd->line, k->name, value);
		*(bool *)k->value = value[0] == 'y';
		return 0;
	}
	return 0;
}

static int parse_config_line(struct config_reader *rd, char *line,
			     const struct config_key *keys, struct err *e)
{
	char *equals, *name, *value;

	line = encoding_trim_blanks(line);
	if (!*line || *line == '#')
		return 0;
	equals = strchr(line, '=');
	if (!equals)
		return err_set(e, EINVAL, "%s:%u: no '=' in '%.40s'", rd->path,
			       rd->line, line);
	*equals = '\0';
	name = encoding_trim_blanks(line);
	value = encoding_trim_blanks(equals + 1);
	for (unsigned int i = 0; keys[i].name && i < KEYS_MAX; i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (rd->seen >> i & 1)
			return err_set(e, EINVAL, "%s:%u: duplicate key '%s'",
				       rd->path, rd->line, name);
		rd->seen |= UINT64_C(1) << i;
		return store_config_value(rd, &keys[i], value, e);
	}
	return err_set(e, EINVAL, "%s:%u: unknown key '%.40s'", rd->path,
		       rd->line, name);
}

int config_read(const char *path, bool must_exist,
		const struct config_key *keys, struct err *e)
{
	struct config_reader rd = { .path = path };
	auto_free char *text = NULL;
	char *line, *rest;
	size_t len;
	int r;

	r = io_read_file(path, FILE_MAX, &text, &len, e);
	if (r == -ENOENT && !must_exist)
		return 0;
	if (r < 0)
		return r;
	if (strlen(text) != len)
		return err_set(e, EINVAL, "%s: holds a NUL byte", path);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		rd.line++;
		r = parse_config_line(&rd, line, keys, e);
		if (r < 0)
			return r;
	}
	return 0;
}

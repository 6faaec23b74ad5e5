/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX 32

/*
 * jansson's own depth limit is 2048; ours is tested before it recurses. Strings
 * are skipped by their quotes, everything else that nests is a bracket.
 */
static bool is_nested_too_deep(const char *text, size_t len)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if ((c == '{' || c == '[') && ++depth > DEPTH_MAX)
			return true;
		else if ((c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return false;
}

int json_parse(const char *text, size_t len, const char *what, json_t **ret,
	       struct err *e)
{
	json_error_t je;
	json_t *j;

	if (is_nested_too_deep(text, len))
		return err_set(e, EINVAL, "%s: nested deeper than %d", what,
			       DEPTH_MAX);
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
		       &je);
	if (!j)
		return err_set(e, EINVAL, "%s:%d: %s", what, je.line, je.text);
	*ret = j;
	return 0;
}

static bool has_json_type(const json_t *j, json_type want)
{
	return want == JSON_TRUE ? json_is_boolean(j) : json_typeof(j) == want;
}

static void store_member_value(const struct json_member *m, json_t *j)
{
	if (!m->ret)
		return;
	switch (m->type) {
	case JSON_STRING:
		*(const char **)m->ret = json_string_value(j);
		break;
	case JSON_INTEGER:
		*(int64_t *)m->ret = json_integer_value(j);
		break;
	case JSON_TRUE:
		*(bool *)m->ret = json_is_true(j);
		break;
	default:
		*(json_t **)m->ret = j;
		break;
	}
}

static const char *describe_json_type(json_type type)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a number",    [JSON_TRUE] = "true or false",
	};

	return (unsigned int)type < ARRAY_SIZE(names) ? names[type] : "a value";
}

int json_read_object(json_t *object, const struct json_member *table,
		     bool closed, const char *what, struct err *e)
{
	size_t known = 0;

	if (!json_is_object(object))
		return err_set(e, EINVAL, "%s: not an object", what);
	for (const struct json_member *m = table; m->name; m++) {
		json_t *j = json_object_get(object, m->name);

		if (!j && !m->optional)
			return err_set(e, EINVAL, "%s: no member '%s'", what,
				       m->name);
		if (!j)
			continue;
		known++;
		if (m->optional && json_is_null(j))
			continue;
		if (!has_json_type(j, m->type))
			return err_set(e, EINVAL, "%s: '%s' is not %s", what,
				       m->name, describe_json_type(m->type));
		store_member_value(m, j);
	}
	if (closed && json_object_size(object) != known) {
		const char *key;
		json_t *j;

		json_object_foreach (object, key, j) {
			const struct json_member *m = table;

			while (m->name && strcmp(m->name, key) != 0)
				m++;
			if (!m->name)
				return err_set(e, EINVAL,
					       "%s: unknown member '%.40s'",
					       what, key);
		}
	}
	return 0;
}

json_t *json_from_text(const char *text)
{
	return json_loads(text, 0, NULL);
}

char *json_text(const json_t *j)
{
	return json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

char *json_text_indented(const json_t *j, unsigned int indent)
{
	return json_dumps(j, JSON_INDENT(indent) | JSON_SORT_KEYS);
}

const char *json_get_string(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

int64_t json_get_integer(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

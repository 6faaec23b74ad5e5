/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bus_json.h"

#include "lib/auto.h"

#include <errno.h>
#include <string.h>

static int read_basic_value(sd_bus_message *m, const char *type, json_t **ret)
{
	union {
		const char *s;
		uint32_t u;
		int32_t i;
		uint64_t t;
		int64_t x;
		int b;
	} v;
	int r = sd_bus_message_read_basic(m, *type, &v);

	if (r < 0)
		return r;
	switch (*type) {
	case 's':
		*ret = json_string(v.s);
		break;
	case 'u':
		*ret = json_integer(v.u);
		break;
	case 'i':
		*ret = json_integer(v.i);
		break;
	case 't':
		*ret = json_integer((json_int_t)v.t);
		break;
	case 'x':
		*ret = json_integer(v.x);
		break;
	default:
		*ret = json_boolean(v.b);
		break;
	}
	return *ret ? 0 : -ENOMEM;
}

int bus_json_read_strings(sd_bus_message *m, json_t **ret)
{
	auto_json json_t *list = json_array();
	const char *s;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	while (r >= 0 && (r = sd_bus_message_read(m, "s", &s)) > 0)
		if (json_array_append_new(list, json_string(s)) < 0)
			return -ENOMEM;
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r >= 0)
		*ret = steal(list);
	return r < 0 ? r : 0;
}

/* A variant of another type is skipped: *ret is NULL. */
static int read_variant(sd_bus_message *m, json_t **ret)
{
	const char *type;
	int r = sd_bus_message_peek_type(m, NULL, &type);
	bool list = r >= 0 && strcmp(type, "as") == 0;

	*ret = NULL;
	if (r < 0)
		return r;
	if (!list && (strlen(type) != 1 || !strchr("suitxb", *type)))
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_enter_container(m, 'v', type);
	if (r >= 0)
		r = list ? bus_json_read_strings(m, ret)
			 : read_basic_value(m, type, ret);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_json_read_properties(sd_bus_message *m, json_t **ret)
{
	auto_json json_t *o = json_object();
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (o && r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const char *name;
		json_t *j = NULL;

		r = sd_bus_message_read(m, "s", &name);
		if (r >= 0)
			r = read_variant(m, &j);
		if (j && json_object_set_new(o, name, j) < 0)
			r = -ENOMEM;
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		return r;
	r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;
	if (!o)
		return -ENOMEM;
	*ret = steal(o);
	return 0;
}

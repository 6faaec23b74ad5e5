/* SPDX-License-Identifier: Apache-2.0 */
#include "devnsctl/devns_name.h"

#include "devnsctl/session.h"
#include "lib/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void format_devns_key(uint32_t ns, char ret[16])
{
	snprintf(ret, 16, "%" PRIu32, ns);
}

static void store_devns_name(void *arg, const struct devns_link_ns *ns)
{
	char key[16];

	format_devns_key(ns->id, key);
	json_object_set_new(arg, key, json_string(ns->name));
}

const char *devns_name_get(const struct devnsctl *c, uint32_t ns)
{
	static char key[16];
	const char *name;

	format_devns_key(ns, key);
	name = json_string_value(json_object_get(c->names, key));
	return ns == 0 ? "host" : name ? name : key;
}

bool devns_name_is_requested(const struct devnsctl *c, uint32_t ns)
{
	char key[16];

	format_devns_key(ns, key);
	return !c->devns || strcmp(c->devns, key) == 0 ||
	       strcmp(c->devns, devns_name_get(c, ns)) == 0;
}

int devns_name_load_all(struct devnsctl *c, struct err *e)
{
	return devns_link_each_ns(c->link, store_devns_name, c->names, e);
}

int devns_name_select(struct devnsctl *c, const char *devns, struct err *e)
{
	const char *key;
	json_t *name;

	c->devns = devns;
	if (!devns || strcmp(devns, "host") == 0)
		return 0;
	json_object_foreach (c->names, key, name)
		if (strcmp(devns, key) == 0 ||
		    strcmp(devns, json_string_value(name)) == 0)
			return 0;
	return err_set(e, ENOENT, "there is no devns '%.70s'", devns);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/devnsctl/devns_name.h"

#include "cellsd/devnsctl/devnsctl.h"
#include "lib/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void key_of(uint32_t ns, char ret[16])
{
	snprintf(ret, 16, "%" PRIu32, ns);
}

static void take_name(void *arg, const struct devnslink_ns *ns)
{
	char key[16];

	key_of(ns->id, key);
	json_object_set_new(arg, key, json_string(ns->name));
}

const char *nsname_get(const struct nsctl *c, uint32_t ns)
{
	static char key[16];
	const char *name;

	key_of(ns, key);
	name = json_string_value(json_object_get(c->names, key));
	return ns == 0 ? "host" : name ? name : key;
}

bool nsname_wants(const struct nsctl *c, uint32_t ns)
{
	char key[16];

	key_of(ns, key);
	return !c->devns || strcmp(c->devns, key) == 0 ||
	       strcmp(c->devns, nsname_get(c, ns)) == 0;
}

/* A name that nobody has is a mistake, not an empty answer. */
static int check_devns(const struct nsctl *c, struct err *e)
{
	const char *key;
	json_t *name;

	if (!c->devns || strcmp(c->devns, "host") == 0)
		return 0;
	json_object_foreach (c->names, key, name)
		if (strcmp(c->devns, key) == 0 ||
		    strcmp(c->devns, json_string_value(name)) == 0)
			return 0;
	return err_set(e, ENOENT, "there is no devns '%.70s'", c->devns);
}

int nsname_read(struct nsctl *c, struct err *e)
{
	int r = devnslink_each_ns(c->link, take_name, c->names, e);

	return r < 0 ? r : check_devns(c, e);
}

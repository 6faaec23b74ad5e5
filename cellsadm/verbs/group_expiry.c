/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/verbs/group_expiry.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/display.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <stdio.h>

#define SOON (14 * 24 * 3600)

static void report_expiring_group(const json_t *group, int64_t now)
{
	const char *id = json_string_value(json_object_get(group, "id"));
	const char *expires =
		json_string_value(json_object_get(group, "expires"));
	auto_free char *safe = id ? display_escape(id) : NULL;
	int64_t t;

	if (!safe || !expires || encoding_parse_time(expires, &t) < 0 ||
	    t - now > SOON)
		return;
	fprintf(stderr,
		"note: group '%s' %s %s: sign its next version (doc next)\n",
		safe, t <= now ? "lapsed" : "lapses", expires);
}

void group_expiry_report(struct adm *a)
{
	auto_json json_t *items = NULL;
	int64_t now = clock_wall();
	const json_t *group;
	struct err ignored;
	size_t i;

	if (!a->remote ||
	    remote_list(a, REMOTE_PATH("groups"), 0, &items, &ignored) < 0)
		return;
	json_array_foreach (items, i, group)
		report_expiring_group(group, now);
}

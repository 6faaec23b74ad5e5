/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/list.h"
#include "cellsadm/remote.h"
#include "cellsadm/verbs/plan.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>

static const struct table_column group_columns[] = {
	{ "ID", "id" },
	{ "VERSION", "version" },
	{ "DEVICES", "devices" },
	{ "COMPLIANT", "compliant" },
	{ "SIGNERS", "signers", TABLE_NAMES },
	{ "EXPIRES", "expires" },
	{ "PROBLEM", "problem" },
	{ NULL }
};

static int verb_group_list(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	return list_print_items(a, REMOTE_PATH("groups"), 0, group_columns, e);
}

static int verb_group_show(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	static const struct table_column names[] = { { "NAMES", "type" },
						     { "ID", "id" },
						     { "MIN", "min_version" },
						     { NULL } };
	static const struct table_column chosen[] = { { "NOW", "type" },
						      { "ID", "id" },
						      { "VERSION", "version" },
						      { "SHA256", "sha256",
							TABLE_DIGEST },
						      { NULL } };
	auto_json json_t *j = NULL;
	int r = remote_get(a, REMOTE_PATH("groups", argv[0]), &j, e);

	if (r >= 0)
		r = adm_print_object(a, group_columns, j, e);
	if (r < 0 || a->json)
		return r;
	putchar('\n');
	r = adm_print_rows(a, names, json_object_get(j, "names"), e);
	if (r < 0 || json_array_size(json_object_get(j, "documents")) == 0)
		return r;
	putchar('\n');
	return adm_print_rows(a, chosen, json_object_get(j, "documents"), e);
}

/* What the fleet would do if this group document were in force. */
static int verb_group_plan(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	return plan_show_files(a, argv, e);
}

const struct verb verb_group_table[] = {
	{ "list", "", 0, 0, "groups in force", VERB_SERVER | VERB_FORMAT, NULL,
	  0, verb_group_list },
	{ "show", "GROUP", 1, 1, "what a group runs", VERB_SERVER | VERB_FORMAT,
	  NULL, 0, verb_group_show },
	{ "plan", "FILE...", 1, 64,
	  "what a group document would change; exit 2: something",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_group_plan },
	{ NULL },
};

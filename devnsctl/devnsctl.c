/* SPDX-License-Identifier: Apache-2.0 */
#include "devnsctl/devnsctl.h"

#include "devnsctl/devns_name.h"
#include "lib/auto.h"
#include "lib/err.h"

static const struct verb verbs[] = {
	{ "list", "", 0, 0, "the devns and which one is in front",
	  .run = devnsctl_list_devns },
	{ "sources", "", 0, 0, "the devices that devns has",
	  .run = devnsctl_list_sources },
	{ "endpoints", "[DEVNS]", 0, 1,
	  "what each devns has of each device, and may use now",
	  .run = devnsctl_list_endpoints },
	{ "modes", "[DEVNS]", 0, 1, "the rights in force, by class",
	  .run = devnsctl_list_modes },
	{ "holders", "[DEVNS]", 0, 1, "processes with endpoints open",
	  .run = devnsctl_list_holders },
	{ "stat", "[DEVNS]", 0, 1, "opens, denials, calls, revocations",
	  .run = devnsctl_list_stats },
	{ "events", "[DEVNS]", 0, 1, "follow the audit events",
	  .run = devnsctl_follow_events },
	{ NULL },
};

static const struct verb_group groups[] = { { NULL, verbs }, { NULL, NULL } };

static const struct verb_option options[] = {
	{ 0, VERB_OPT(struct devnsctl, json, "format", 0, OPT_FORMAT,
		      "table|json", "how to print") },
	{ 0, { NULL } },
};

static int open_module_link(void *context, struct err *e)
{
	struct devnsctl *c = context;
	int r;

	c->names = json_object();
	r = c->names ? devns_link_open(&c->link, e) : err_oom(e, "devns");
	return r < 0 ? r : devns_name_load_all(c, e);
}

int devnsctl_main(int argc, char **argv)
{
	static const struct verb_program program = {
		.name = "devnsctl",
		.summary = "Looks into the devns kernel module.",
		.groups = groups,
		.options = options,
		.open = open_module_link,
	};
	struct devnsctl c = { 0 };
	int r = verb_main(&program, &c, argc, argv);

	devns_link_freep(&c.link);
	json_decref(c.names);
	return r;
}

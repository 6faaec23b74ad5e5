/* SPDX-License-Identifier: Apache-2.0 */
#include "images/verbs.h"

#include "images/interrupt.h"

static int block_signals(void *context, struct err *e)
{
	interrupt_block_signals();
	return 0;
}

static const struct verb_group groups[] = {
	{ NULL, verbs_build_table },
	{ NULL, verbs_local_table },
	{ NULL, verbs_remote_table },
	{ NULL, NULL },
};

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct verbs_context, member, name, letter, kind, arg, help)

static const struct verb_option options[] = {
	{ VERBS_FORMAT,
	  OPT(json, "format", 0, OPT_FORMAT, "FORMAT", "table or json") },
	{ VERBS_SERVER, OPT(server, "server", 's', OPT_STRING, "NAME",
			    "which server (the default one)") },
	{ VERBS_SERVER, OPT(config, "config", 0, OPT_STRING, "DIR",
			    "folder of admin.conf and servers/") },
	{ 0, { NULL } },
};

int verbs_main(int argc, char **argv)
{
	static const struct verb_program program = {
		.name = "cells-image",
		.summary =
			"Builds, checks and pushes images of virtual phones.",
		.groups = groups,
		.options = options,
		.open = block_signals,
	};
	struct verbs_context context = { 0 };

	return verb_main(&program, &context, argc, argv);
}

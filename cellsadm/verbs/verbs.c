/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/verbs/verbs.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/verbs/group_expiry.h"
#include "lib/auto.h"

static int open_adm(void *context, struct err *e)
{
	return adm_open(context, e);
}

static void report_group_expiry(void *context)
{
	group_expiry_report(context);
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct adm, member, name, letter, kind, arg, help)

static const struct verb_option shared_options[] = {
	{ VERB_KEYS, OPT(keys, "key", 'k', OPT_LIST, "KEY",
			 "key to sign with: a file or a name; several times") },
	{ VERB_KEYS | VERB_PASSWORD,
	  OPT(password_files, "password-file", 0, OPT_LIST, "FILE",
	      "password of the key, its first line") },
	{ VERB_KEYS | VERB_PASSWORD,
	  OPT(password_stdin, "password-stdin", 0, OPT_FLAG, NULL,
	      "password of the key from standard input") },
	{ VERB_ROOT, OPT(root_option, "root", 0, OPT_STRING, "FILE",
			 "the root in force, instead of the server's") },
	{ VERB_YES, OPT(yes, "yes", 'y', OPT_FLAG, NULL, "do not ask") },
	{ VERB_FORMAT,
	  OPT(json, "format", 'f', OPT_FORMAT, "FORMAT", "table or json") },
	{ VERB_SERVER, OPT(server_option, "server", 's', OPT_STRING, "NAME",
			   "server of that name in the configuration") },
	{ 0, OPT(folder_option, "config-dir", 0, OPT_STRING, "DIR",
		 "instead of ~/.config/cells") },
	{ 0, { NULL } },
};

static const struct verb_group groups[] = {
#define VERB_GROUP(noun) { #noun, verb_##noun##_table },
	VERB_NOUNS(VERB_GROUP)
#undef VERB_GROUP
		{ NULL, NULL },
};

const struct verb_program *verbs_get_program(void)
{
	static const struct verb_program program = {
		.name = "cellsadm",
		.summary =
			"Signs documents of Cells and administers its server.",
		.groups = groups,
		.options = shared_options,
		.codes = true,
		.open = open_adm,
		.finish = report_group_expiry,
	};

	return &program;
}

static void close_remote_and_adm(struct adm *a)
{
	remote_close(a);
	adm_close(a);
}

int verbs_main(int argc, char **argv)
{
	AUTO(close_remote_and_adm) struct adm a = { 0 };

	return verb_main(verbs_get_program(), &a, argc, argv);
}

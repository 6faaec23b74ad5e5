/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsctl/ctl.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { TAKES_FORMAT = 1, TAKES_YES = 2, TAKES_STDIN = 4 };

static const struct verb {
	const char *name, *args;
	int least, most;
	unsigned int takes;
	ctl_fn *fn;
	const char *summary;
} verbs[] = {
	{ "list", "", 0, 0, TAKES_FORMAT, ctl_list_vps,
	  "the VPs and their states" },
	{ "status", "", 0, 0, TAKES_FORMAT, ctl_show_status,
	  "the device, its organisation, what is in force" },
	{ "switch", "VP", 1, 1, 0, ctl_switch_vp,
	  "bring a VP to the front; \"host\" is not a VP" },
	{ "next", "", 0, 0, 0, ctl_switch_next,
	  "bring the next running VP to the front" },
	{ "previous", "", 0, 0, 0, ctl_switch_previous,
	  "bring the running VP before it to the front" },
	{ "prev", "", 0, 0, 0, ctl_switch_previous, NULL },
	{ "explain", "VP CLASS", 2, 2, TAKES_FORMAT, ctl_explain_access,
	  "may the VP use the class, and which rules say so" },
	{ "enroll", "URI", 1, 1, 0, ctl_enroll_device,
	  "put the device under an organisation" },
	{ "reset", "", 0, 0, TAKES_YES, ctl_reset_device,
	  "wipe every VP and leave the organisation" },
	{ "unlock", "VP", 1, 1, TAKES_STDIN, ctl_unlock_vp,
	  "unlock a VP by its passcode" },
	{ "passcode", "VP", 1, 1, TAKES_STDIN, ctl_set_passcode,
	  "set, change or take away a VP's passcode" },
	{ "unlock-config", "ID", 1, 1, TAKES_STDIN, ctl_unlock_config,
	  "let a protected config be replaced, for ten minutes" },
	{ "exec", "VP -- COMMAND...", 2, INT_MAX, 0, ctl_exec_program,
	  "run a program in a running VP" },
	{ "console", "VP", 1, 1, 0, ctl_open_console,
	  "the console of a running VP; Ctrl-] leaves it" },
};

static void print_help(void)
{
	printf("Usage: cellsctl VERB [OPTION...] [ARGUMENT...]\n"
	       "Sees and steers the virtual phones of this device.\n\n"
	       "Verbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		char left[64];

		if (!verbs[i].summary)
			continue;
		snprintf(left, sizeof(left), "%s %s", verbs[i].name,
			 verbs[i].args);
		printf("  %-24s %s\n", left, verbs[i].summary);
	}
	printf("\nOptions:\n"
	       "  --help                   print this; after a verb, its "
	       "options\n"
	       "  --version                print the version\n");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Returns the index of the first argument, or a negative errno. */
static int parse_verb_options(const struct verb *v, int argc, char **argv,
			      struct ctl *c, struct err *e)
{
	const struct opt all[] = {
		{ "format", 0, OPT_FORMAT, &c->json, "table|json",
		  "how to print" },
		{ "yes", 'y', OPT_FLAG, &c->yes, NULL, "do not ask" },
		{ "password-stdin", 0, OPT_FLAG, &c->password_stdin, NULL,
		  "read it from standard input" },
	};
	struct opt opts[ARRAY_SIZE(all) + 1] = { 0 };
	struct opt_program program = { .args = v->args,
				       .summary = v->summary ? v->summary : "",
				       .opts = opts };
	char name[64];
	int n = 0, first;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (v->takes >> i & 1)
			opts[n++] = all[i];
	snprintf(name, sizeof(name), "cellsctl %s", v->name);
	program.name = name;
	/* What follows exec's VP is the program's. */
	first = opt_parse(&program, argc, argv, v->most != INT_MAX, e);
	if (first < 0)
		return first;
	if (argc - first < v->least || argc - first > v->most)
		return err_set(e, EINVAL, "usage: cellsctl %s %s", v->name,
			       v->args);
	return first;
}

int ctl_main(int argc, char **argv)
{
	AUTO(bus_closep) sd_bus *bus = NULL;
	struct ctl c = { 0 };
	const struct verb *v;
	struct err e;
	int r;

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_help();
		return argc < 2 ? EXIT_USAGE : EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--version") == 0) {
		opt_print_version("cellsctl");
		return EXIT_SUCCESS;
	}
	v = find_verb(argv[1]);
	if (!v) {
		log_error("unknown verb %s (see cellsctl --help)", argv[1]);
		return EXIT_USAGE;
	}
	r = parse_verb_options(v, argc - 1, argv + 1, &c, &e);
	if (r == -ECANCELED)
		return EXIT_SUCCESS;
	if (r < 0) {
		log_error("%s", e.text);
		return EXIT_USAGE;
	}
	argv += 1 + r;
	r = bus_open(&bus, &e);
	c.bus = bus;
	if (r == 0)
		r = v->fn(&c, argv, &e);
	if (r < 0)
		log_error("%s", e.text);
	return r < 0 ? EXIT_FAILURE : r;
}

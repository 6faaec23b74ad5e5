/* SPDX-License-Identifier: Apache-2.0 */
#include "images/interrupt.h"
#include "images/verbs.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/opt.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv, struct err *e);
	const char *summary;
} verbs[] = {
	{ "build", verbs_build,
	  "make an image from a folder, tar, OCI layout" },
	{ "inspect", verbs_inspect, "say what an image is made of" },
	{ "verify", verbs_verify, "test all digests, and signatures" },
	{ "diff", verbs_diff, "what one image shares with another" },
	{ "extract", verbs_extract, "write the layers as EROFS files" },
	{ "push", verbs_push, "send an image to a server" },
	{ "list", verbs_list, "images that a server has" },
};

static int print_usage(FILE *out, int code)
{
	fprintf(out, "Usage: cells-image VERB [OPTION...] [ARGUMENT...]\n"
		     "Builds, checks and pushes images of virtual phones.\n\n"
		     "Verbs (each has --help):\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
	return code;
}

int main(int argc, char **argv)
{
	struct err e;

	log_open("cells-image");
	/* Names in pax headers are UTF-8, whatever the user's locale is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argc < 2)
		return print_usage(stderr, EXIT_USAGE);
	if (strcmp(argv[1], "--help") == 0)
		return print_usage(stdout, EXIT_SUCCESS);
	if (strcmp(argv[1], "--version") == 0) {
		opt_print_version("cells-image");
		return EXIT_SUCCESS;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(verbs); i++) {
		int r;

		if (strcmp(verbs[i].name, argv[1]) != 0)
			continue;
		interrupt_block_signals();
		r = verbs[i].run(argc - 1, argv + 1, &e);
		if (r < 0)
			log_error("%s", e.text);
		return r < 0 ? EXIT_FAILURE : r;
	}
	log_error("unknown verb '%s' (see --help)", argv[1]);
	return EXIT_USAGE;
}

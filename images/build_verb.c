/* SPDX-License-Identifier: Apache-2.0 */
#include "images/builder.h"
#include "images/verbs.h"
#include "lib/architecture.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DAY INT64_C(86400)
#define DAYS_MAX 36500
#define DAYS_DEFAULT 365
#define BUILD_OPTIONS_MAX 32

/* Options that are not the builder's own fields. */
struct document_options {
	uint64_t number, days, min_agent;
	const char *issued;
};

static int set_document_times(const struct document_options *x,
			      struct image_document *d, struct err *e)
{
	if (!x->issued)
		d->issued = clock_wall();
	else if (encoding_parse_time(x->issued, &d->issued) < 0)
		return err_set(e, EINVAL, "--issued %s: not a time", x->issued);
	if (x->days < 1 || x->days > DAYS_MAX)
		return err_set(e, EINVAL, "--days: not from 1 to %d", DAYS_MAX);
	d->expires = d->issued + (int64_t)x->days * DAY;
	return 0;
}

static int check_build_options(const struct document_options *x,
			       struct builder *b, struct err *e)
{
	if (!b->output || !b->doc.org || !b->doc.id)
		return err_set(e, EINVAL,
			       "--output, --org and --id are needed");
	if (!b->input == !b->recipe)
		return err_set(e, EINVAL, "needs either INPUT or --recipe");
	if (b->settings.n && !b->recipe)
		return err_set(e, EINVAL, "--set belongs to --recipe");
	if (b->compress && strcmp(b->compress, "lz4") != 0 &&
	    strcmp(b->compress, "lz4hc") != 0)
		return err_set(e, EINVAL,
			       "--compress %s: neither lz4 nor lz4hc",
			       b->compress);
	if (x->number < 1 || x->number > INT32_MAX || x->min_agent < 1 ||
	    x->min_agent > INT32_MAX)
		return err_set(e, EINVAL, "a version is from 1 to %" PRId32,
			       INT32_MAX);
	if (b->doc.architecture && !architecture_is_known(b->doc.architecture))
		return err_set(e, EINVAL,
			       "--architecture %s: none that is known (amd64, "
			       "arm64 ...)",
			       b->doc.architecture);
	if (b->limits.max_ratio < 1)
		return err_set(e, EINVAL, "--max-ratio is at least 1");
	b->doc.version = (uint32_t)x->number;
	b->doc.min_agent = (uint32_t)x->min_agent;
	return set_document_times(x, &b->doc, e);
}

static void print_build_result(const struct builder *b)
{
	uint64_t size = 0, stored = 0;
	char plain[24], packed[24];

	for (unsigned int i = 0; i < b->doc.n_layers; i++) {
		size += b->doc.layer[i].size;
		stored += b->doc.layer[i].stored;
	}
	encoding_format_size(size, plain);
	encoding_format_size(stored, packed);
	printf("%s: %s version %u, %u layer%s, %s, packed %s%s\n", b->output,
	       b->doc.id, b->doc.version, b->doc.n_layers,
	       b->doc.n_layers == 1 ? "" : "s", plain, packed,
	       b->key ? ", signed" : "");
}

/* Filled by the options below. */
struct build_options {
	struct builder b;
	struct document_options x;
};

/* The options of `build`, over what they fill. */
static void list_build_options(struct build_options *o,
			       struct opt ret[BUILD_OPTIONS_MAX])
{
	struct builder *b = &o->b;
	const struct opt opts[] = {
		{ "output", 'o', OPT_STRING, &b->output, "DIR",
		  "folder to make (needed)" },
		{ "org", 0, OPT_STRING, &b->doc.org, "ID",
		  "organisation (needed)" },
		{ "id", 0, OPT_STRING, &b->doc.id, "ID",
		  "the image's id (needed)" },
		{ "number", 'n', OPT_NUMBER, &o->x.number, "N",
		  "the image's version (1)" },
		{ "recipe", 0, OPT_STRING, &b->recipe, "NAME",
		  "build by a recipe (busybox, debian)" },
		{ "set", 0, OPT_LIST, &b->settings, "NAME=VALUE",
		  "a setting of the recipe" },
		{ "recipes", 0, OPT_STRING, &b->recipes, "DIR",
		  "folder of recipes" },
		{ "architecture", 0, OPT_STRING, &b->doc.architecture, "NAME",
		  "as Debian names it" },
		{ "tag", 0, OPT_STRING, &b->tag, "NAME",
		  "which image of several" },
		{ "force", 0, OPT_FLAG, &b->force, NULL,
		  "also what is not a root file system or is not kept whole" },
		{ "squash", 0, OPT_FLAG, &b->squash, NULL,
		  "one layer, however many the input has" },
		{ "init", 0, OPT_STRING, &b->doc.init, "PATH",
		  "first program (/sbin/init)" },
		{ "stop-signal", 0, OPT_STRING, &b->doc.stop_signal, "NAME",
		  "what asks it to end (TERM)" },
		{ "issued", 0, OPT_STRING, &o->x.issued, "TIME",
		  "RFC 3339, UTC (now)" },
		{ "days", 0, OPT_NUMBER, &o->x.days, "N",
		  "until it expires (365)" },
		{ "min-agent", 0, OPT_NUMBER, &o->x.min_agent, "N",
		  "oldest agent that can run it (1)" },
		{ "key", 0, OPT_STRING, &b->key, "FILE", "sign with this key" },
		{ "password-file", 0, OPT_STRING, &b->password_file, "FILE",
		  "password of the key" },
		{ "compress", 0, OPT_STRING, &b->compress, "NAME",
		  "lz4 or lz4hc inside the layers (none)" },
		{ "replace", 0, OPT_FLAG, &b->replace, NULL,
		  "replace an image in DIR" },
		{ "max-entries", 0, OPT_NUMBER, &b->limits.max_entries, "N",
		  "files at most (500000)" },
		{ "max-bytes", 0, OPT_NUMBER, &b->limits.max_bytes, "N",
		  "bytes at most (16 GiB)" },
		{ "max-ratio", 0, OPT_NUMBER, &b->limits.max_ratio, "N",
		  "unpacked to packed at most (200)" },
		{ NULL },
	};

	_Static_assert(ARRAY_SIZE(opts) <= BUILD_OPTIONS_MAX, "all fit");
	memcpy(ret, opts, sizeof(opts));
}

static int parse_build_options(int argc, char **argv, struct build_options *o,
			       int *ret_exit)
{
	struct opt opts[BUILD_OPTIONS_MAX];
	struct builder *b = &o->b;
	const struct opt_program p = { "cells-image build", "[INPUT]",
				       "Makes an image from a folder, a tar, "
				       "an OCI layout or a recipe.",
				       opts };
	struct err e;
	int first;

	list_build_options(o, opts);
	/* The input is absent exactly with a recipe. */
	first = opt_parse(&p, argc, argv, true, &e);
	if (first == -ECANCELED) {
		*ret_exit = EXIT_SUCCESS;
		return -ECANCELED;
	}
	*ret_exit = EXIT_USAGE;
	if (first >= 0 && argc - first > 1)
		first = err_set(&e, EINVAL, "build: more than one INPUT");
	if (first >= 0) {
		b->input = argc > first ? argv[first] : NULL;
		first = check_build_options(&o->x, b, &e);
	}
	if (first < 0)
		log_error("%s", e.text);
	return first;
}

int verbs_build(int argc, char **argv, struct err *e)
{
	struct build_options o = {
		.x = { .number = 1, .days = DAYS_DEFAULT, .min_agent = 1 },
	};
	int exit_code, r;

	unpack_init(&o.b.limits);
	if (parse_build_options(argc, argv, &o, &exit_code) < 0)
		return exit_code;
	r = builder_run(&o.b, e);
	if (r == 0)
		print_build_result(&o.b);
	return r;
}

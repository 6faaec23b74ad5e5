/* SPDX-License-Identifier: Apache-2.0 */
#include "images/builder.h"
#include "images/verbs.h"
#include "lib/architecture.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DAY INT64_C(86400)
#define DAYS_MAX 36500
#define DAYS_DEFAULT 365

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

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct build_options, member, name, letter, kind, arg, help)

static const struct opt build_options[] = {
	OPT(b.output, "output", 'o', OPT_STRING, "DIR",
	    "folder to make (needed)"),
	OPT(b.doc.org, "org", 0, OPT_STRING, "ID", "organisation (needed)"),
	OPT(b.doc.id, "id", 0, OPT_STRING, "ID", "the image's id (needed)"),
	OPT(x.number, "number", 'n', OPT_NUMBER, "N",
	    "the image's version (1)"),
	OPT(b.recipe, "recipe", 0, OPT_STRING, "NAME",
	    "build by a recipe (busybox, debian)"),
	OPT(b.settings, "set", 0, OPT_LIST, "NAME=VALUE",
	    "a setting of the recipe"),
	OPT(b.recipes, "recipes", 0, OPT_STRING, "DIR", "folder of recipes"),
	OPT(b.doc.architecture, "architecture", 0, OPT_STRING, "NAME",
	    "as Debian names it"),
	OPT(b.tag, "tag", 0, OPT_STRING, "NAME", "which image of several"),
	OPT(b.force, "force", 0, OPT_FLAG, NULL,
	    "also what is not a root file system or is not kept whole"),
	OPT(b.squash, "squash", 0, OPT_FLAG, NULL,
	    "one layer, however many the input has"),
	OPT(b.doc.init, "init", 0, OPT_STRING, "PATH",
	    "first program (/sbin/init)"),
	OPT(b.doc.stop_signal, "stop-signal", 0, OPT_STRING, "NAME",
	    "what asks it to end (TERM)"),
	OPT(x.issued, "issued", 0, OPT_STRING, "TIME", "RFC 3339, UTC (now)"),
	OPT(x.days, "days", 0, OPT_NUMBER, "N", "until it expires (365)"),
	OPT(x.min_agent, "min-agent", 0, OPT_NUMBER, "N",
	    "oldest agent that can run it (1)"),
	OPT(b.key, "key", 0, OPT_STRING, "FILE", "sign with this key"),
	OPT(b.password_file, "password-file", 0, OPT_STRING, "FILE",
	    "password of the key"),
	OPT(b.compress, "compress", 0, OPT_STRING, "NAME",
	    "lz4 or lz4hc inside the layers (none)"),
	OPT(b.replace, "replace", 0, OPT_FLAG, NULL, "replace an image in DIR"),
	OPT(b.limits.max_entries, "max-entries", 0, OPT_NUMBER, "N",
	    "files at most (500000)"),
	OPT(b.limits.max_bytes, "max-bytes", 0, OPT_NUMBER, "N",
	    "bytes at most (16 GiB)"),
	OPT(b.limits.max_ratio, "max-ratio", 0, OPT_NUMBER, "N",
	    "unpacked to packed at most (200)"),
	{ NULL },
};

static void set_build_defaults(void *opts)
{
	struct build_options *o = opts;

	o->x = (struct document_options){ .number = 1,
					  .days = DAYS_DEFAULT,
					  .min_agent = 1 };
	unpack_init(&o->b.limits);
}

static int run_build(void *context, const void *opts, char **argv,
		     struct err *e)
{
	struct build_options o = *(const struct build_options *)opts;
	int r;

	o.b.input = argv[0]; /* NULL exactly with a recipe */
	if (check_build_options(&o.x, &o.b, e) < 0)
		return verb_report_usage(e);
	r = builder_run(&o.b, e);
	if (r == 0)
		print_build_result(&o.b);
	return r;
}

const struct verb verbs_build_table[] = {
	{ "build", "[INPUT]", 0, 1,
	  "make an image from a folder, a tar, an OCI layout or a recipe", 0,
	  build_options, sizeof(struct build_options), run_build,
	  set_build_defaults },
	{ NULL },
};

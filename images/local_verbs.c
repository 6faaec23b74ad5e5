/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that read images in folders: inspect, verify, diff, extract. */
#include "images/verbs.h"

#include "images/bundle.h"
#include "images/comparison.h"
#include "images/verifier.h"
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/clock.h"
#include "lib/document/doc.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_SIZE 1024

/* A layer, and what its chunks take. */
struct layer_summary {
	size_t n_chunks;
	uint64_t stored;
};

static int summarize_layer(const struct bundle *b, unsigned int layer,
			   struct layer_summary *ret, struct err *e)
{
	auto_free struct chunk_list *list = NULL;
	struct layer_summary s = { 0 };
	int r = bundle_read_chunk_list(b, layer, &list, e);

	if (r < 0)
		return r;
	s.n_chunks = list->n;
	for (size_t i = 0; i < list->n; i++)
		s.stored += list->chunk[i].stored;
	*ret = s;
	return 0;
}

static json_t *build_layer_list(const struct doc_image *im,
				const struct layer_summary *s)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < im->n_layers; i++)
		json_array_append_new(
			list, json_pack("{ss sI ss sI sI}", "digest",
					im->layer[i].digest, "size",
					(json_int_t)im->layer[i].size, "chunks",
					im->layer[i].chunks, "n-chunks",
					(json_int_t)s[i].n_chunks, "stored",
					(json_int_t)s[i].stored));
	return list;
}

static json_t *build_signature_list(const struct bundle *b)
{
	json_t *list = json_array();

	for (unsigned int i = 0; b->env && i < b->env->n_signatures; i++)
		json_array_append_new(list,
				      json_string(b->env->signature[i].keyid));
	return list;
}

/* NULL: no memory. */
static json_t *build_image_json(const struct bundle *b,
				const struct layer_summary *s)
{
	char issued[ENCODING_TIME_SIZE], expires[ENCODING_TIME_SIZE];
	const struct doc_image *im = b->image;
	char digest[ENCODING_DIGEST_SIZE];

	encoding_format_time(im->head.issued, issued);
	encoding_format_time(im->head.expires, expires);
	encoding_format_digest(im->head.digest, digest);
	return json_pack(
		"{ss ss si ss ss ss ss ss ss si so so}", "org", im->head.org,
		"id", im->head.id, "version", (int)im->head.version, "issued",
		issued, "expires", expires, "sha256", digest, "architecture",
		im->architecture, "init", im->init, "stop-signal",
		im->stop_signal, "min-agent", (int)im->min_agent, "signatures",
		build_signature_list(b), "layers", build_layer_list(im, s));
}

static int print_image_table(const json_t *image, struct err *e)
{
	static const struct table_column fields[] = {
		{ "image", "id" },
		{ "version", "version" },
		{ "organisation", "org" },
		{ "document", "sha256" },
		{ "issued", "issued" },
		{ "expires", "expires" },
		{ "architecture", "architecture" },
		{ "oldest agent", "min-agent" },
		{ "init", "init" },
		{ "stop signal", "stop-signal" },
		{ "signatures", "signatures" },
		{ NULL },
	};
	static const struct table_column layers[] = {
		{ "LAYER", "digest" },
		{ "SIZE", "size", TABLE_SIZE },
		{ "CHUNKS", "n-chunks" },
		{ "STORED", "stored", TABLE_SIZE },
		{ NULL },
	};
	int r = table_print_object(fields, image, e);

	if (r < 0)
		return r;
	putchar('\n');
	return table_print_rows(layers, json_object_get(image, "layers"), e);
}

static int run_inspect(void *context, const void *opts, char **argv,
		       struct err *e)
{
	const struct verbs_context *c = context;
	struct layer_summary s[DOC_LAYERS_MAX] = { 0 };
	AUTO(bundle_close) struct bundle b = { 0 };
	auto_json json_t *image = NULL;
	int r;

	r = bundle_open(argv[0], &b, e);
	for (unsigned int i = 0; r == 0 && i < b.image->n_layers; i++)
		r = summarize_layer(&b, i, &s[i], e);
	if (r < 0)
		return r;
	image = build_image_json(&b, s);
	if (!image)
		return err_oom(e, b.path);
	return c->json ? table_print_json(image, e)
		       : print_image_table(image, e);
}

struct verify_options {
	const char *root, *pin;
};

static int run_verify(void *context, const void *opts, char **argv,
		      struct err *e)
{
	const struct verify_options *o = opts;
	AUTO(bundle_close) struct bundle b = { 0 };
	char names[NAMES_SIZE] = "";
	int r;

	r = bundle_open(argv[0], &b, e);
	if (r == 0 && o->root)
		r = verifier_check_signatures(&b, o->root, o->pin, names,
					      sizeof(names), e);
	if (r == 0)
		r = verifier_check_digests(&b, true, e);
	if (r < 0)
		return r;
	if (b.image->head.expires <= clock_wall())
		log_warning("%s has expired", b.path);
	printf("%s: %u layer%s good, %s%s\n", b.path, b.image->n_layers,
	       b.image->n_layers == 1 ? "" : "s",
	       o->root ? "signed by "
	       : b.env ? "signatures not looked at (see --root)"
		       : "not signed",
	       names);
	return 0;
}

static int run_diff(void *context, const void *opts, char **argv, struct err *e)
{
	const struct verbs_context *ctx = context;
	AUTO(bundle_close) struct bundle a = { 0 }, b = { 0 };
	struct comparison c;
	int r;

	r = bundle_open(argv[0], &a, e);
	if (r == 0)
		r = bundle_open(argv[1], &b, e);
	if (r == 0)
		r = comparison_run(&a, &b, &c, e);
	if (r == 0)
		r = comparison_print(&a, &b, &c, ctx->json, e);
	if (r < 0)
		return r;
	return comparison_is_same(&c) ? EXIT_SUCCESS : EXIT_CHANGES;
}

/* Nobody sees half a layer under its name. */
static int extract_layer_file(const struct bundle *b, unsigned int layer,
			      const char *folder, struct err *e)
{
	auto_free char *name = NULL, *part = NULL;
	auto_close int fd = -1;
	int r;

	if (asprintf(&name, "%s/%u.erofs", folder, layer + 1) < 0 ||
	    asprintf(&part, "%s.part", name) < 0)
		return err_oom(e, folder);
	fd = open(part, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
		  0644);
	if (fd < 0)
		return err_sys(e, errno, "create %s", part);
	r = bundle_assemble_layer(b, layer, fd, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_sys(e, errno, "sync %s", part);
	if (r == 0 && rename(part, name) < 0)
		r = err_sys(e, errno, "rename %s", part);
	if (r < 0)
		unlink(part);
	else
		printf("%s\n", name);
	return r;
}

struct extract_options {
	const char *output;
};

static void set_extract_defaults(void *opts)
{
	struct extract_options *o = opts;

	o->output = ".";
}

static int run_extract(void *context, const void *opts, char **argv,
		       struct err *e)
{
	const struct extract_options *o = opts;
	AUTO(bundle_close) struct bundle b = { 0 };
	int r;

	r = bundle_open(argv[0], &b, e);
	if (r == 0)
		r = io_mkdirs(o->output, 0755, e);
	for (unsigned int i = 0; r == 0 && i < b.image->n_layers; i++)
		r = extract_layer_file(&b, i, o->output, e);
	return r;
}

static const struct opt verify_options[] = {
	VERB_OPT(struct verify_options, root, "root", 0, OPT_STRING, "FILE",
		 "root document (envelope): who may sign"),
	VERB_OPT(struct verify_options, pin, "pin", 0, OPT_STRING, "DIGEST",
		 "the root's digest, sha256:<hex>"),
	{ NULL },
};
static const struct opt extract_options[] = {
	VERB_OPT(struct extract_options, output, "output", 'o', OPT_STRING,
		 "DIR", "where to (the current folder)"),
	{ NULL },
};

const struct verb verbs_local_table[] = {
	{ "inspect", "DIR", 1, 1, "say what an image is made of", VERBS_FORMAT,
	  .run = run_inspect },
	{ "verify", "DIR", 1, 1,
	  "test all digests, and with --root the signatures", 0, verify_options,
	  sizeof(struct verify_options), run_verify },
	{ "diff", "OLD NEW", 2, 2,
	  "what NEW changes, and what it has to send beside OLD", VERBS_FORMAT,
	  .run = run_diff },
	{ "extract", "DIR", 1, 1,
	  "write the layers as EROFS files: 1.erofs (the lowest), 2.erofs ...",
	  0, extract_options, sizeof(struct extract_options), run_extract,
	  set_extract_defaults },
	{ NULL },
};

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
#include "lib/opt.h"
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

int verbs_inspect(int argc, char **argv, struct err *e)
{
	bool json = false;
	const struct opt opts[] = {
		{ "format", 0, OPT_FORMAT, &json, "FORMAT", "table or json" },
		{ NULL },
	};
	const struct opt_program p = { "cells-image inspect", "DIR",
				       "Says what an image is made of.", opts };
	struct layer_summary s[DOC_LAYERS_MAX] = { 0 };
	AUTO(bundle_close) struct bundle b = { 0 };
	auto_json json_t *image = NULL;
	int first, exit_code, r;

	if (!verbs_parse_arguments(&p, argc, argv, 1, &first, &exit_code))
		return exit_code;
	r = bundle_open(argv[first], &b, e);
	for (unsigned int i = 0; r == 0 && i < b.image->n_layers; i++)
		r = summarize_layer(&b, i, &s[i], e);
	if (r < 0)
		return r;
	image = build_image_json(&b, s);
	if (!image)
		return err_oom(e, b.path);
	return json ? table_print_json(image, e) : print_image_table(image, e);
}

int verbs_verify(int argc, char **argv, struct err *e)
{
	const char *root = NULL, *pin = NULL;
	const struct opt opts[] = {
		{ "root", 0, OPT_STRING, &root, "FILE",
		  "root document (envelope): who may sign" },
		{ "pin", 0, OPT_STRING, &pin, "DIGEST",
		  "the root's digest, sha256:<hex>" },
		{ NULL },
	};
	const struct opt_program p = { "cells-image verify", "DIR",
				       "Tests all digests of an image, and "
				       "with --root its signatures.",
				       opts };
	AUTO(bundle_close) struct bundle b = { 0 };
	char names[NAMES_SIZE] = "";
	int first, exit_code, r;

	if (!verbs_parse_arguments(&p, argc, argv, 1, &first, &exit_code))
		return exit_code;
	r = bundle_open(argv[first], &b, e);
	if (r == 0 && root)
		r = verifier_check_signatures(&b, root, pin, names,
					      sizeof(names), e);
	if (r == 0)
		r = verifier_check_digests(&b, true, e);
	if (r < 0)
		return r;
	if (b.image->head.expires <= clock_wall())
		log_warning("%s has expired", b.path);
	printf("%s: %u layer%s good, %s%s\n", b.path, b.image->n_layers,
	       b.image->n_layers == 1 ? "" : "s",
	       root    ? "signed by "
	       : b.env ? "signatures not looked at (see --root)"
		       : "not signed",
	       names);
	return 0;
}

int verbs_diff(int argc, char **argv, struct err *e)
{
	bool json = false;
	const struct opt opts[] = {
		{ "format", 0, OPT_FORMAT, &json, "FORMAT", "table or json" },
		{ NULL },
	};
	const struct opt_program p = {
		"cells-image diff", "OLD NEW",
		"Says what NEW changes, and what it has to send beside OLD.",
		opts
	};
	AUTO(bundle_close) struct bundle a = { 0 }, b = { 0 };
	struct comparison c;
	int first, exit_code, r;

	if (!verbs_parse_arguments(&p, argc, argv, 2, &first, &exit_code))
		return exit_code;
	r = bundle_open(argv[first], &a, e);
	if (r == 0)
		r = bundle_open(argv[first + 1], &b, e);
	if (r == 0)
		r = comparison_run(&a, &b, &c, e);
	if (r == 0)
		r = comparison_print(&a, &b, &c, json, e);
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

int verbs_extract(int argc, char **argv, struct err *e)
{
	const char *output = ".";
	const struct opt opts[] = {
		{ "output", 'o', OPT_STRING, &output, "DIR",
		  "where to (the current folder)" },
		{ NULL },
	};
	const struct opt_program p = {
		"cells-image extract", "DIR",
		"Puts the layers together: 1.erofs (the lowest), 2.erofs ...",
		opts
	};
	AUTO(bundle_close) struct bundle b = { 0 };
	int first, exit_code, r;

	if (!verbs_parse_arguments(&p, argc, argv, 1, &first, &exit_code))
		return exit_code;
	r = bundle_open(argv[first], &b, e);
	if (r == 0)
		r = io_mkdirs(output, 0755, e);
	for (unsigned int i = 0; r == 0 && i < b.image->n_layers; i++)
		r = extract_layer_file(&b, i, output, e);
	return r;
}

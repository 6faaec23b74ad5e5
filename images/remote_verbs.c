/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that talk to a server: push, list. */
#include "images/verbs.h"

#include "images/bundle.h"
#include "images/pusher.h"
#include "images/verifier.h"
#include "lib/admin_config.h"
#include "lib/auto.h"
#include "lib/display.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/http_problem.h"
#include "lib/json.h"
#include "lib/pagination.h"
#include "lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int connect_to_server(const char *folder, const char *name,
			     struct http **ret, struct err *e)
{
	AUTO(admin_config_fini) struct admin_config c = { 0 };
	struct http_target s = { 0 };
	int r = admin_config_read(folder, name, &c, e);

	if (r < 0)
		return r;
	s.host = c.host;
	s.port = c.port;
	s.ca_pem = c.ca_pem;
	s.token = c.token;
	return http_new(&s, ret, e);
}

static int push_image(const char *dir, const char *folder, const char *server,
		      const char *limit, struct err *e)
{
	AUTO(bundle_close) struct bundle b = { 0 };
	AUTO(http_freep) struct http *h = NULL;
	auto_free char *state = NULL;
	struct pusher p = { 0 };
	char size[24];
	int r = 0;

	if (limit && (encoding_parse_size(limit, &p.rate) < 0 || p.rate == 0))
		r = err_set(e, EINVAL,
			    "--limit %s: not bytes per second (1000, 500K, 2M)",
			    limit);
	if (r == 0)
		r = bundle_open(dir, &b, e);
	if (r == 0)
		r = verifier_check_digests(&b, false, e);
	if (r == 0)
		r = connect_to_server(folder, server, &h, e);
	if (r == 0)
		r = pusher_run(h, &b, &p, e);
	if (r < 0)
		return r;
	state = display_escape(p.state);
	encoding_format_size(p.sent_bytes, size);
	printf("%s version %u: %" PRIu64 " of %" PRIu64
	       " chunks sent, %s; %s at the server\n",
	       b.image->head.id, b.image->head.version, p.sent_chunks, p.chunks,
	       size, state ? state : "?");
	return 0;
}

struct push_options {
	const char *limit;
};

static int run_push(void *context, const void *opts, char **argv, struct err *e)
{
	const struct verbs_context *c = context;
	const struct push_options *o = opts;

	return push_image(argv[0], c->config, c->server, o->limit, e);
}

static int get_image_page(void *ctx, const char *path, json_t **ret,
			  struct err *e)
{
	AUTO(http_answer_fini) struct http_answer a = { 0 };
	const struct http_request rq = { .method = "GET", .path = path };
	int r = http_call(ctx, &rq, &a, e);

	if (r == 0 && a.status != 200)
		r = http_problem_set(&a, "list images", e);
	return r < 0 ? r
		     : json_parse(a.body, a.body_len, "the server's answer",
				  ret, e);
}

static int print_image_list(json_t *all, struct err *e)
{
	static const struct table_column columns[] = {
		{ "ID", "id" },
		{ "VERSION", "version" },
		{ "STATE", "state" },
		{ "ARCH", "architecture" },
		{ "SIZE", "size", TABLE_SIZE },
		{ "CHUNKS", "chunks" },
		{ NULL },
	};
	json_t *image;
	size_t i;

	json_array_foreach (all, i, image) {
		bool complete =
			json_is_true(json_object_get(image, "complete"));

		json_object_set_new(
			image, "chunks",
			json_string(complete ? "complete" : "missing"));
	}
	return table_print_rows(columns, all, e);
}

static int run_list(void *context, const void *opts, char **argv, struct err *e)
{
	const struct verbs_context *c = context;
	auto_json json_t *all = NULL;
	AUTO(http_freep) struct http *h = NULL;
	int r = connect_to_server(c->config, c->server, &h, e);

	if (r == 0)
		r = pagination_read("/v1/images", 0, get_image_page, h, &all,
				    e);
	if (r < 0)
		return r;
	return c->json ? table_print_json(all, e) : print_image_list(all, e);
}

static const struct opt push_options[] = {
	VERB_OPT(struct push_options, limit, "limit", 0, OPT_STRING, "RATE",
		 "bytes per second: 1000, 500K, 2M"),
	{ NULL },
};

const struct verb verbs_remote_table[] = {
	{ "push", "DIR", 1, 1,
	  "send an image to a server; run again, it goes on", VERBS_SERVER,
	  push_options, sizeof(struct push_options), run_push },
	{ "list", "", 0, 0, "images that a server has",
	  VERBS_SERVER | VERBS_FORMAT, .run = run_list },
	{ NULL },
};

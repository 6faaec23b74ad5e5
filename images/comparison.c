/* SPDX-License-Identifier: Apache-2.0 */
#include "images/comparison.h"

#include "images/bundle.h"
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/display.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static int compare_blob_digests(const void *a, const void *b)
{
	return memcmp(a, b, HASH_SIZE);
}

/* Room for `more` blobs behind the n that are there. */
static int grow_blob_list(struct comparison_blob **blobs, size_t n, size_t more,
			  struct err *e)
{
	struct comparison_blob *bigger =
		reallocarray(*blobs, n + more, sizeof(*bigger));

	if (!bigger)
		return err_oom(e, "list the chunks");
	*blobs = bigger;
	return 0;
}

/* The list itself is a blob as well. */
static int get_chunk_list_blob(const struct bundle *b, unsigned int layer,
			       struct comparison_blob *ret, struct err *e)
{
	auto_free char *path = NULL;
	struct stat st;

	if (encoding_parse_digest(b->image->layer[layer].chunks, ret->digest) <
	    0)
		return err_reason(e, REASON_SCHEMA, "layer %u: bad digest",
				  layer + 1);
	path = bundle_chunk_path(b, ret->digest);
	if (!path || stat(path, &st) < 0)
		return err_sys(e, errno, "chunk list of layer %u", layer + 1);
	ret->stored = (uint64_t)st.st_size;
	return 0;
}

int comparison_list_blobs(const struct bundle *b, bool with_lists,
			  struct comparison_blob **ret, size_t *ret_n,
			  struct err *e)
{
	auto_free struct comparison_blob *blobs = NULL;
	size_t n = 0, kept = 0;

	for (unsigned int i = 0; i < b->image->n_layers; i++) {
		auto_free struct chunk_list *list = NULL;
		int r = bundle_read_chunk_list(b, i, &list, e);

		if (r == 0)
			r = grow_blob_list(&blobs, n, list->n + 1, e);
		for (size_t k = 0; r == 0 && k < list->n; k++, n++) {
			memcpy(blobs[n].digest, list->chunk[k].digest,
			       HASH_SIZE);
			blobs[n].stored = list->chunk[k].stored;
		}
		if (r == 0 && with_lists)
			r = get_chunk_list_blob(b, i, &blobs[n++], e);
		if (r < 0)
			return r;
	}
	if (n > 0)
		qsort(blobs, n, sizeof(*blobs), compare_blob_digests);
	for (size_t i = 0; i < n; i++)
		if (i == 0 ||
		    compare_blob_digests(&blobs[i], &blobs[i - 1]) != 0)
			blobs[kept++] = blobs[i];
	*ret = steal(blobs);
	*ret_n = kept;
	return 0;
}

static bool has_layer_digest(const struct doc_image *im, const char *digest)
{
	for (unsigned int i = 0; i < im->n_layers; i++)
		if (strcmp(im->layer[i].digest, digest) == 0)
			return true;
	return false;
}

static void compare_documents(const struct doc_image *a,
			      const struct doc_image *b, struct comparison *c)
{
	for (unsigned int i = 0; i < b->n_layers; i++)
		if (has_layer_digest(a, b->layer[i].digest))
			c->layers_same++;
		else
			c->layers_new++;
	for (unsigned int i = 0; i < a->n_layers; i++)
		c->layers_gone += !has_layer_digest(b, a->layer[i].digest);
	c->settings += strcmp(a->init, b->init) != 0;
	c->settings += strcmp(a->architecture, b->architecture) != 0;
	c->settings += strcmp(a->stop_signal, b->stop_signal) != 0;
	c->settings += a->min_agent != b->min_agent;
}

int comparison_run(const struct bundle *a, const struct bundle *b,
		   struct comparison *ret, struct err *e)
{
	auto_free struct comparison_blob *old = NULL, *new = NULL;
	struct comparison c = { 0 };
	size_t n_old, n_new;
	int r;

	compare_documents(a->image, b->image, &c);
	r = comparison_list_blobs(a, false, &old, &n_old, e);
	if (r == 0)
		r = comparison_list_blobs(b, false, &new, &n_new, e);
	if (r != 0)
		return r;
	for (size_t i = 0, k = 0; i < n_new; i++) {
		while (k < n_old && compare_blob_digests(&old[k], &new[i]) < 0)
			k++;
		if (k < n_old && compare_blob_digests(&old[k], &new[i]) == 0) {
			c.chunks_same++;
			c.stored_same += new[i].stored;
		} else {
			c.chunks_new++;
			c.stored_new += new[i].stored;
		}
	}
	*ret = c;
	return 0;
}

bool comparison_is_same(const struct comparison *c)
{
	return c->layers_new == 0 && c->layers_gone == 0 && c->settings == 0;
}

static void print_setting_change(const char *what, const char *a, const char *b)
{
	auto_free char *old = display_escape(a), *new = display_escape(b);

	if (strcmp(a, b) != 0)
		printf("%-13s %s -> %s\n", what, old ? old : "",
		       new ? new : "");
}

static void print_comparison_table(const struct doc_image *a,
				   const struct doc_image *b,
				   const struct comparison *c)
{
	auto_free char *old_id = display_escape(a->head.id);
	auto_free char *new_id = display_escape(b->head.id);
	char same[24], new[24];

	printf("%-13s %s version %u -> %s version %u\n", "image",
	       old_id ? old_id : "", a->head.version, new_id ? new_id : "",
	       b->head.version);
	print_setting_change("init", a->init, b->init);
	print_setting_change("architecture", a->architecture, b->architecture);
	print_setting_change("stop-signal", a->stop_signal, b->stop_signal);
	if (a->min_agent != b->min_agent)
		printf("%-13s %u -> %u\n", "min-agent", a->min_agent,
		       b->min_agent);
	encoding_format_size(c->stored_same, same);
	encoding_format_size(c->stored_new, new);
	printf("%-13s %u the same, %u new, %u gone\n", "layers", c->layers_same,
	       c->layers_new, c->layers_gone);
	printf("%-13s %" PRIu64 " the same, %" PRIu64 " new\n", "chunks",
	       c->chunks_same, c->chunks_new);
	printf("%-13s %s the same, %s to send\n", "stored", same, new);
}

int comparison_print(const struct bundle *a, const struct bundle *b,
		     const struct comparison *c, bool json, struct err *e)
{
	auto_json json_t *j = NULL;

	if (!json) {
		print_comparison_table(a->image, b->image, c);
		return 0;
	}
	j = json_pack("{s{si si si} s{sI sI} s{sI sI} si}", "layers", "same",
		      (int)c->layers_same, "new", (int)c->layers_new, "gone",
		      (int)c->layers_gone, "chunks", "same",
		      (json_int_t)c->chunks_same, "new",
		      (json_int_t)c->chunks_new, "stored", "same",
		      (json_int_t)c->stored_same, "new",
		      (json_int_t)c->stored_new, "settings", (int)c->settings);
	return j ? table_print_json(j, e) : err_oom(e, b->path);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/layer/layer_store.h"

#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "policyd/document/document_state.h"
#include "policyd/document/secure_time.h"
#include "policyd/store/store.h"

#include <fcntl.h>
#include <string.h>

struct layer_store {
	char *dir;
	int layers, lists; /* folders */
};

static bool has_digest_file(int dirfd, const char *digest)
{
	return faccessat(dirfd, layer_store_get_file_name(digest), F_OK, 0) ==
	       0;
}

static int open_store_folder(const char *dir, const char *name, int *ret,
			     struct err *e)
{
	auto_free char *path = io_join(dir, name);
	int r = path ? io_mkdirs(path, 0700, e) : err_oom(e, name);

	if (r < 0)
		return r;
	*ret = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "open %s", path) : 0;
}

int layer_store_new(const char *dir, struct layer_store **ret, struct err *e)
{
	AUTO(layer_store_freep) struct layer_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(e, "open layers");
	s->layers = s->lists = -1;
	s->dir = strdup(dir);
	if (!s->dir)
		return err_oom(e, "open layers");
	r = open_store_folder(dir, "layers", &s->layers, e);
	if (r == 0)
		r = open_store_folder(dir, "lists", &s->lists, e);
	if (r < 0)
		return r;
	*ret = steal(s);
	return 0;
}

void layer_store_free(struct layer_store *s)
{
	if (!s)
		return;
	if (s->layers >= 0)
		close(s->layers);
	if (s->lists >= 0)
		close(s->lists);
	free(s->dir);
	free(s);
}

const char *layer_store_get_file_name(const char *digest)
{
	return digest + strlen("sha256:");
}

int layer_store_get_layers_fd(const struct layer_store *s)
{
	return s->layers;
}

bool layer_store_has_layer(const struct layer_store *s, const char *digest)
{
	return has_digest_file(s->layers, digest);
}

bool layer_store_has_chunk_list(const struct layer_store *s, const char *digest)
{
	return has_digest_file(s->lists, digest);
}

int layer_store_open_layer(const struct layer_store *s, const char *digest)
{
	int fd = openat(s->layers, layer_store_get_file_name(digest),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

const struct doc_layer *
layer_store_find_missing_layer(const struct layer_store *s,
			       const struct document_set *docs,
			       const struct doc_image **ret_doc)
{
	struct document_set_walk w = { 0 };
	const struct doc_layer *l;

	while ((l = document_set_next_layer(docs, &w)))
		if (!has_digest_file(s->layers, l->digest)) {
			*ret_doc = w.image;
			return l;
		}
	return NULL;
}

int layer_store_write_chunk_list(struct layer_store *s, const char *digest,
				 const void *data, size_t len, struct err *e)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/lists/%s", s->dir,
		     layer_store_get_file_name(digest)) < 0)
		return err_oom(e, "keep chunk list");
	return io_replace_file(path, data, len, 0600, e);
}

int layer_store_read_chunk_list(const struct layer_store *s, const char *digest,
				struct chunk_list **ret, struct err *e)
{
	auto_close int fd = openat(s->lists, layer_store_get_file_name(digest),
				   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return err_sys(e, errno, "open chunk list");
	r = io_read_fd(fd, "chunk list", CHUNK_LIST_MAX, &text, &len, e);
	return r < 0 ? r : chunk_list_parse(text, len, ret, e);
}

/* ---- what has changed on the disk */
/* Missing, a link in its place, bytes that the disk does not give back: to be
 * had again. Anything else, as no descriptor left, says nothing of the layer.
 */
static bool is_layer_lost(int r)
{
	return r == -ENOENT || r == -ELOOP || r == -EIO;
}

static int compare_layer_digest(const struct layer_store *s, const char *digest,
				bool *ret_same)
{
	auto_close int fd = layer_store_open_layer(s, digest);
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	int r = fd < 0 ? fd : hash_fd(fd, got);

	if (r < 0)
		return r;
	encoding_parse_digest(digest, want);
	*ret_same = memcmp(want, got, HASH_SIZE) == 0;
	return 0;
}

/* 1: the layer is not what it was, and is gone now; 0: it is. */
static int verify_layer_file(const struct layer_store *s, const char *digest,
			     struct err *e)
{
	bool is_same = false;
	int r = compare_layer_digest(s, digest, &is_same);

	if (r < 0 && !is_layer_lost(r))
		return err_sys(e, -r, "check layer %s", digest);
	if (is_same)
		return 0;
	log_error("layer %s has changed on the disk: deleted", digest);
	unlinkat(s->layers, layer_store_get_file_name(digest), 0);
	return 1;
}

/* 1: a layer is gone; 0: none. */
static int verify_layer_files(const struct layer_store *s,
			      const struct document_set *docs, struct err *e)
{
	struct document_set_walk w = { 0 };
	const struct doc_layer *l;
	int r, lost = 0;

	while ((l = document_set_next_layer(docs, &w))) {
		r = verify_layer_file(s, l->digest, e);
		if (r < 0)
			return r;
		lost |= r;
	}
	return lost;
}

/* Another boot has another id; a boot clock that went back says so as well. */
static bool is_checked_this_boot(struct store *store, const char *boot,
				 int64_t boot_s)
{
	auto_free char *held = NULL;
	struct err ignored;
	int r = store_lookup_text(store, STORE_CHECKED, &held, &ignored);
	char *rest = r == 0 ? strchr(held, ' ') : NULL;

	if (!rest)
		return false;
	*rest++ = '\0';
	return strcmp(held, boot) == 0 && atoll(rest) <= boot_s;
}

int layer_store_verify_layers(const struct layer_store *s, struct store *store,
			      const struct document_set *docs, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t boot_s = (int64_t)(clock_boot_ns() / 1000000000);
	char boot[40], text[80];
	int r, lost;

	secure_time_read_boot_id(boot);
	if (is_checked_this_boot(store, boot, boot_s))
		return 0;
	lost = verify_layer_files(s, docs, e);
	if (lost < 0)
		return lost;
	snprintf(text, sizeof(text), "%s %lld", boot, (long long)boot_s);
	r = store_begin(store, true, &tx, e);
	if (r == 0)
		r = store_set_text(store, STORE_CHECKED, text, e);
	if (r == 0)
		r = store_commit(&tx, e);
	return r < 0 ? r : lost;
}

/* ---- what is not needed any more */
static bool is_used_by_set(const struct document_set *docs, const char *hex)
{
	struct document_set_walk w = { 0 };
	const struct doc_layer *l;

	while ((l = document_set_next_layer(docs, &w)))
		if (strncmp(layer_store_get_file_name(l->digest), hex,
			    LAYER_STORE_HEX) == 0 ||
		    strncmp(layer_store_get_file_name(l->chunks), hex,
			    LAYER_STORE_HEX) == 0)
			return true;
	return false;
}

static bool is_file_used(const struct document_state *docs, const char *hex)
{
	return is_used_by_set(&docs->in_force, hex) ||
	       is_used_by_set(&docs->staged_docs, hex);
}

/* Deletes unused files of a folder; asks fn for whole layers, where it is
 * given. */
static void remove_unused_files(int dirfd, const struct document_state *docs,
				layer_store_unused_fn *fn, void *ctx)
{
	auto_closedir DIR *dir = NULL;
	struct dirent *de;
	int fd = openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (de = readdir(dir))) {
		const char *name = de->d_name;

		if (strlen(name) < LAYER_STORE_HEX || is_file_used(docs, name))
			continue;
		if (fn && strlen(name) == LAYER_STORE_HEX)
			fn(ctx, name);
		else
			unlinkat(dirfd, name, 0);
	}
}

void layer_store_remove_unused(struct layer_store *s,
			       const struct document_state *docs,
			       layer_store_unused_fn *fn, void *ctx)
{
	remove_unused_files(s->layers, docs, fn, ctx);
	remove_unused_files(s->lists, docs, NULL, NULL);
}

void layer_store_delete_unused(struct layer_store *s,
			       const struct document_state *docs,
			       const char *hex)
{
	if (!is_file_used(docs, hex) && unlinkat(s->layers, hex, 0) == 0)
		log_info("layer sha256:%s is deleted", hex);
}

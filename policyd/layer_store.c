/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/layer_store.h"

#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "policyd/device.h"
#include "policyd/policyd.h"

#include <fcntl.h>
#include <string.h>

#define BUSY "org.cells.Error.busy"

struct shelf {
	char *dir;
	int layers, lists; /* folders */
};

static bool exists(int dirfd, const char *digest)
{
	return faccessat(dirfd, shelf_name(digest), F_OK, 0) == 0;
}

static int open_folder(const char *dir, const char *name, int *ret,
		       struct err *e)
{
	auto_free char *path = io_join(dir, name);
	int r = path ? io_mkdirs(path, 0700, e) : err_oom(e, name);

	if (r < 0)
		return r;
	*ret = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "open %s", path) : 0;
}

int shelf_new(const char *dir, struct shelf **ret, struct err *e)
{
	AUTO(shelf_freep) struct shelf *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(e, "open layers");
	s->layers = s->lists = -1;
	s->dir = strdup(dir);
	if (!s->dir)
		return err_oom(e, "open layers");
	r = open_folder(dir, "layers", &s->layers, e);
	if (r == 0)
		r = open_folder(dir, "lists", &s->lists, e);
	if (r < 0)
		return r;
	*ret = steal(s);
	return 0;
}

void shelf_free(struct shelf *s)
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

const char *shelf_name(const char *digest)
{
	return digest + strlen("sha256:");
}

int shelf_layers(const struct shelf *s)
{
	return s->layers;
}

bool shelf_has_layer(const struct shelf *s, const char *digest)
{
	return exists(s->layers, digest);
}

bool shelf_has_list(const struct shelf *s, const char *digest)
{
	return exists(s->lists, digest);
}

int shelf_open_layer(const struct shelf *s, const char *digest)
{
	int fd = openat(s->layers, shelf_name(digest),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

const struct doc_layer *shelf_missing(const struct shelf *s,
				      const struct held *docs,
				      const struct doc_image **ret_doc)
{
	struct held_walk w = { 0 };
	const struct doc_layer *l;

	while ((l = held_next_layer(docs, &w)))
		if (!exists(s->layers, l->digest)) {
			*ret_doc = w.image;
			return l;
		}
	return NULL;
}

int shelf_put_list(struct shelf *s, const char *digest, const void *data,
		   size_t len, struct err *e)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/lists/%s", s->dir, shelf_name(digest)) < 0)
		return err_oom(e, "keep chunk list");
	return io_replace_file(path, data, len, 0600, e);
}

int shelf_read_list(const struct shelf *s, const char *digest,
		    struct chunk_list **ret, struct err *e)
{
	auto_close int fd = openat(s->lists, shelf_name(digest),
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
 * had anew. Anything else, as no descriptor left, says nothing of the layer. */
static bool is_lost(int r)
{
	return r == -ENOENT || r == -ELOOP || r == -EIO;
}

static int read_layer(const struct shelf *s, const char *digest, bool *ret_same)
{
	auto_close int fd = shelf_open_layer(s, digest);
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	int r = fd < 0 ? fd : hash_fd(fd, got);

	if (r < 0)
		return r;
	text_undigest(digest, want);
	*ret_same = memcmp(want, got, HASH_SIZE) == 0;
	return 0;
}

/* 1: the layer is not what it was, and is gone now; 0: it is. */
static int check_layer(const struct shelf *s, const char *digest, struct err *e)
{
	bool is_same = false;
	int r = read_layer(s, digest, &is_same);

	if (r < 0 && !is_lost(r))
		return err_sys(e, -r, "check layer %s", digest);
	if (is_same)
		return 0;
	log_error("layer %s has changed on the disk: deleted", digest);
	unlinkat(s->layers, shelf_name(digest), 0);
	return 1;
}

/* 1: a layer is gone; 0: none. */
static int check_layers(const struct shelf *s, const struct held *docs,
			struct err *e)
{
	struct held_walk w = { 0 };
	const struct doc_layer *l;
	int r, lost = 0;

	while ((l = held_next_layer(docs, &w))) {
		r = check_layer(s, l->digest, e);
		if (r < 0)
			return r;
		lost |= r;
	}
	return lost;
}

/* Another boot has another id; a boot clock that went back says so as well. */
static bool is_same_boot(struct policyd *p, const char *boot, int64_t boot_s)
{
	auto_free char *held = NULL;
	struct err ignored;
	int r = store_text(p->store, STORE_CHECKED, &held, &ignored);
	char *rest = r == 0 ? strchr(held, ' ') : NULL;

	if (!rest)
		return false;
	*rest++ = '\0';
	return strcmp(held, boot) == 0 && atoll(rest) <= boot_s;
}

int shelf_check(struct policyd *p, struct err *e)
{
	AUTO(store_endp) struct store *tx = NULL;
	int64_t boot_s = (int64_t)(clock_boot_ns() / 1000000000);
	char boot[40], text[80];
	int r, lost;

	securetime_boot_id(boot);
	if (is_same_boot(p, boot, boot_s))
		return 0;
	lost = check_layers(p->shelf, &p->force, e);
	if (lost < 0)
		return lost;
	snprintf(text, sizeof(text), "%s %lld", boot, (long long)boot_s);
	r = store_begin(p->store, true, &tx, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_CHECKED, text, e);
	if (r == 0)
		r = store_commit(&tx, e);
	return r < 0 ? r : lost;
}

/* ---- what is not needed any more */
static bool is_used(const struct held *docs, const char *hex)
{
	struct held_walk w = { 0 };
	const struct doc_layer *l;

	while ((l = held_next_layer(docs, &w)))
		if (strncmp(shelf_name(l->digest), hex, 64) == 0 ||
		    strncmp(shelf_name(l->chunks), hex, 64) == 0)
			return true;
	return false;
}

struct drop {
	struct policyd *p;
	char hex[65];
};

static int on_dropped(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(m);
	auto_free struct drop *d = arg;

	/* busy: a VP still runs on it; the next collection asks again */
	if ((error && !device_has_spoken(error)) ||
	    sd_bus_error_has_name(error, BUSY) ||
	    is_used(&d->p->force, d->hex) ||
	    is_used(&d->p->staged_docs, d->hex))
		return 0;
	if (unlinkat(d->p->shelf->layers, d->hex, 0) == 0)
		log_info("layer sha256:%s is deleted", d->hex);
	return 0;
}

static void drop_layer(struct policyd *p, const char *hex)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	struct drop *d = calloc(1, sizeof(*d));
	char digest[TEXT_DIGEST_SIZE];

	if (!d)
		return;
	d->p = p;
	snprintf(d->hex, sizeof(d->hex), "%s", hex);
	snprintf(digest, sizeof(digest), "sha256:%s", d->hex);
	if (device_message(p, "DropLayer", &m) < 0 ||
	    sd_bus_message_append(m, "s", digest) < 0 ||
	    device_call(p, m, on_dropped, d) < 0)
		free(d);
	else
		device_layer_dropped(p, digest);
}

static void collect(struct policyd *p, int dirfd, bool are_layers)
{
	auto_closedir DIR *dir = NULL;
	struct dirent *de;
	int fd = openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (de = readdir(dir))) {
		const char *name = de->d_name;

		if (strlen(name) < 64 || is_used(&p->force, name) ||
		    is_used(&p->staged_docs, name))
			continue;
		if (are_layers && strlen(name) == 64)
			drop_layer(p, name);
		else
			unlinkat(dirfd, name, 0);
	}
}

void shelf_collect(struct policyd *p)
{
	/* While documents are on their way, so may be their layers. */
	if (p->staged || store_int(p->store, STORE_APPLYING, 0))
		return;
	collect(p, p->shelf->layers, true);
	collect(p, p->shelf->lists, false);
}

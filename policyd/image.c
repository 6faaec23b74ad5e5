/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/image.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/text.h"
#include "policyd/assembly.h"
#include "policyd/device.h"
#include "policyd/policyd.h"
#include "policyd/verdict.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define NAME_SIZE 80
#define BUSY "org.cells.Error.busy"
#define NAMES_MAX 64 /* digests in one answer that are compared for twins */

struct image {
	struct policyd *p;
	image_whole_fn *whole;
	uint64_t reserve;
	int layers, lists;     /* folders */
	sd_event_source *work; /* digests the layer in small pieces */
	/* What is put together: copies, since documents come and go. */
	bool is_active;
	struct doc_head doc;
	struct doc_layer layer;
	struct assembly *assembly; /* NULL: its list is missing */
};

static const char *hex_of(const char *digest)
{
	return digest + strlen("sha256:");
}

static bool exists(int dirfd, const char *digest)
{
	return faccessat(dirfd, hex_of(digest), F_OK, 0) == 0;
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

static int on_work(sd_event_source *s, void *arg);

int image_new(struct policyd *p, uint64_t reserve, image_whole_fn *whole,
	      struct image **ret, struct err *e)
{
	AUTO(image_freep) struct image *im = calloc(1, sizeof(*im));
	int r;

	if (!im)
		return err_oom(e, "open layers");
	im->p = p;
	im->reserve = reserve;
	im->whole = whole;
	im->layers = im->lists = -1;
	r = open_folder(p->dir, "layers", &im->layers, e);
	if (r == 0)
		r = open_folder(p->dir, "lists", &im->lists, e);
	if (r < 0)
		return r;
	r = sd_event_add_defer(p->event, &im->work, on_work, im);
	if (r >= 0)
		r = sd_event_source_set_priority(im->work,
						 SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(im->work, SD_EVENT_OFF);
	if (r < 0)
		return err_sys(e, -r, "open layers");
	*ret = steal(im);
	return 0;
}

void image_free(struct image *im)
{
	if (!im)
		return;
	assembly_close(im->assembly);
	sd_event_source_unref(im->work);
	if (im->layers >= 0)
		close(im->layers);
	if (im->lists >= 0)
		close(im->lists);
	free(im);
}

int image_open_layer(struct policyd *p, const char *digest)
{
	int fd = openat(p->image->layers, hex_of(digest),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* ---- which layer is next */
static const struct doc_layer *find_missing(struct image *im,
					    const struct held *docs,
					    const struct doc_image **ret_doc)
{
	struct held_walk w = { 0 };
	const struct doc_layer *l;

	while ((l = held_next_layer(docs, &w)))
		if (!exists(im->layers, l->digest)) {
			*ret_doc = w.image;
			return l;
		}
	return NULL;
}

bool image_is_ready(struct policyd *p, const struct held *docs)
{
	const struct doc_image *doc;

	return find_missing(p->image, docs, &doc) == NULL;
}

static void part_names(const struct doc_layer *l, char part[NAME_SIZE],
		       char have[NAME_SIZE])
{
	snprintf(part, NAME_SIZE, "%s.part", hex_of(l->digest));
	snprintf(have, NAME_SIZE, "%s.have", hex_of(l->digest));
}

static void stop(struct image *im)
{
	assembly_close(im->assembly);
	im->assembly = NULL;
	im->is_active = false;
	sd_event_source_set_enabled(im->work, SD_EVENT_OFF);
}

/* An accepted image turned out to be impossible: its snapshot is not waited for
 * until it is sent again. */
static void refuse_document(struct policyd *p, const struct doc_head *image,
			    const struct err *why)
{
	const struct receipt_doc d = verdict_doc(image);
	struct err e;

	log_warning("image '%s' %u: %s", image->id, image->version, why->text);
	p->staged_blocked = true;
	if (verdict_refuse(p, &d, NULL, why, &e) < 0)
		log_error("write receipt: %s", e.text);
}

/* The layer cannot be had: neither can its document. */
static void refuse(struct image *im, const struct err *why)
{
	char part[NAME_SIZE], have[NAME_SIZE];
	struct doc_head head = im->doc;

	part_names(&im->layer, part, have);
	unlinkat(im->layers, part, 0);
	unlinkat(im->layers, have, 0);
	stop(im);
	refuse_document(im->p, &head, why);
}

/* Before a byte is fetched: is there room for all that is missing? */
static int check_room(struct image *im, const struct held *docs, struct err *e)
{
	uint64_t need = im->reserve, room;
	struct held_walk w = { 0 };
	const struct doc_layer *l;
	struct statvfs vfs;
	char a[24], b[24];

	while ((l = held_next_layer(docs, &w))) {
		char part[NAME_SIZE], have[NAME_SIZE];

		part_names(l, part, have);
		if (!exists(im->layers, l->digest) &&
		    faccessat(im->layers, part, F_OK, 0) < 0)
			need += l->size;
	}
	if (fstatvfs(im->layers, &vfs) < 0)
		return err_sys(e, errno, "measure the state folder");
	room = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (room >= need)
		return 0;
	text_size(need, a);
	text_size(room, b);
	return err_reason(e, REASON_STORAGE_FULL,
			  "layers need %s, and %s are left", a, b);
}

static int read_list(struct image *im, const char *digest,
		     struct chunk_list **ret, struct err *e)
{
	auto_close int fd = openat(im->lists, hex_of(digest),
				   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return err_sys(e, errno, "open chunk list");
	r = io_read_fd(fd, "chunk list", CHUNK_LIST_MAX, &text, &len, e);
	return r < 0 ? r : chunk_list_parse(text, len, ret, e);
}

/* From layers that are in force: most of a new version is the old one. */
static void reuse(struct image *im)
{
	struct held_walk w = { 0 };
	const struct doc_layer *l;

	while ((l = held_next_layer(&im->p->force, &w))) {
		auto_free struct chunk_list *list = NULL;
		auto_close int fd = -1;
		struct err ignored;

		fd = openat(im->layers, hex_of(l->digest),
			    O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read_list(im, l->chunks, &list, &ignored) == 0)
			assembly_reuse(im->assembly, list, fd, &ignored);
	}
}

/* The list is here: opens the layer that it makes. */
static int open_assembly(struct image *im, struct err *e)
{
	char part[NAME_SIZE], have[NAME_SIZE];
	auto_free struct chunk_list *list = NULL;
	int r = read_list(im, im->layer.chunks, &list, e);

	if (r < 0)
		return r;
	assert(list);
	if (list->size != im->layer.size)
		return err_reason(e, REASON_IMAGE_DIGEST,
				  "the chunk list makes %llu bytes of a layer "
				  "of %llu",
				  (unsigned long long)list->size,
				  (unsigned long long)im->layer.size);
	part_names(&im->layer, part, have);
	r = assembly_open(im->layers, part, have, list, &im->assembly, e);
	if (r < 0)
		return r;
	list = NULL; /* taken over */
	reuse(im);
	sd_event_source_set_enabled(im->work, SD_EVENT_ON);
	return 0;
}

static int begin(struct image *im, struct err *e)
{
	int r = check_room(im, &im->p->staged_docs, e);

	if (r == 0 && exists(im->lists, im->layer.chunks))
		r = open_assembly(im, e);
	return r;
}

void image_continue(struct policyd *p)
{
	struct image *im = p->image;
	const struct doc_layer *l = NULL;
	const struct doc_image *doc;
	struct err e;

	if (p->staged && !p->staged_blocked)
		l = find_missing(im, &p->staged_docs, &doc);
	if (l && im->is_active && strcmp(l->digest, im->layer.digest) == 0 &&
	    strcmp(l->chunks, im->layer.chunks) == 0) {
		im->doc = doc->head; /* perhaps of another document */
		return;
	}
	stop(im);
	if (!l)
		return;
	im->is_active = true;
	im->doc = doc->head;
	im->layer = *l;
	if (begin(im, &e) < 0)
		refuse(im, &e);
	else
		policyd_pending(p, "wants");
}

/* ---- putting it together */
static int keep(struct image *im, struct err *e)
{
	char part[NAME_SIZE], have[NAME_SIZE];
	int r = assembly_sync(im->assembly, e);

	if (r < 0)
		return r;
	part_names(&im->layer, part, have);
	if (renameat(im->layers, part, im->layers, hex_of(im->layer.digest)) <
		    0 ||
	    fsync(im->layers) < 0)
		return err_sys(e, errno, "keep layer");
	unlinkat(im->layers, have, 0);
	log_info("layer %s is complete", im->layer.digest);
	return 0;
}

static int conclude(struct image *im, const uint8_t got[HASH_SIZE],
		    struct err *e)
{
	uint8_t want[HASH_SIZE];

	text_undigest(im->layer.digest, want);
	if (memcmp(got, want, HASH_SIZE) == 0)
		return keep(im, e);
	if (!assembly_is_doubtful(im->assembly))
		return err_reason(e, REASON_IMAGE_DIGEST,
				  "the chunks of layer %s make another one",
				  im->layer.digest);
	/* A power cut may have taken bytes that were noted as there. */
	log_warning("layer %s: begun anew", im->layer.digest);
	return assembly_restart(im->assembly, e) < 0 ? -EIO : -EAGAIN;
}

static int on_work(sd_event_source *s, void *arg)
{
	struct image *im = arg;
	struct policyd *p = im->p;
	uint8_t digest[HASH_SIZE];
	struct err e;
	int r;

	if (!im->assembly) {
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
		return 0;
	}
	r = assembly_digest(im->assembly, digest, &e);
	if (r == -EAGAIN)
		return 0;
	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (r == 0)
		return 0;
	if (r > 0)
		r = conclude(im, digest, &e);
	if (r == -EAGAIN) {
		policyd_pending(p, "wants");
		return 0;
	}
	if (r < 0) {
		refuse(im, &e);
		return 0;
	}
	image_continue(p);
	if (im->whole(p, &e) < 0)
		log_error("activate: %s", e.text);
	return 0;
}

static int put_list(struct image *im, const void *data, size_t len,
		    struct err *e)
{
	auto_free char *path = NULL;
	struct err why;
	int r;

	if (asprintf(&path, "%s/lists/%s", im->p->dir,
		     hex_of(im->layer.chunks)) < 0)
		return err_oom(e, "keep chunk list");
	r = io_replace_file(path, data, len, 0600, e);
	if (r == -ENOSPC)
		return err_reason(e, REASON_STORAGE_FULL,
				  "keep chunk list: no room");
	if (r < 0)
		return r;
	/* The list is what was asked for; whether it fits is the image's fault.
	 */
	if (open_assembly(im, &why) < 0)
		refuse(im, &why);
	return 0;
}

/* What is wanted may be large (a list) or not (a chunk). */
static int read_stored(int fd, size_t max, const char *digest, char **ret,
		       size_t *ret_len, struct err *e)
{
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	struct stat st;
	int r;

	/* Anything but a file could make us wait. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_reason(e, REASON_CHUNK, "%s: not a file", digest);
	if ((uint64_t)st.st_size > max)
		return err_reason(e, REASON_CHUNK, "%s: longer than allowed",
				  digest);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "%s", digest);
	r = io_read_fd(fd, digest, max, ret, ret_len, e);
	if (r < 0)
		return r;
	hash_sha256(*ret, *ret_len, got);
	text_undigest(digest, want);
	if (memcmp(got, want, HASH_SIZE) != 0)
		return err_reason(e, REASON_CHUNK,
				  "%s: the bytes have another digest", digest);
	return 0;
}

/* These are the bytes that the list names: no others will ever come. */
static void judge(struct image *im, const uint8_t want[HASH_SIZE],
		  const void *data, size_t len, const struct err *why)
{
	uint8_t digest[HASH_SIZE];

	hash_sha256(data, len, digest);
	if (why->reason == REASON_CHUNK && memcmp(digest, want, HASH_SIZE) == 0)
		refuse(im, why);
}

int image_put(struct policyd *p, const char *digest, int fd, struct err *e)
{
	struct image *im = p->image;
	auto_free char *data = NULL;
	uint8_t raw[HASH_SIZE];
	bool is_list;
	size_t len;
	int r;

	if (text_undigest(digest, raw) < 0)
		return err_reason(e, REASON_CHUNK, "'%.80s' is no digest",
				  digest);
	is_list = im->is_active && !im->assembly &&
		  strcmp(im->layer.chunks, digest) == 0;
	r = read_stored(fd, is_list ? CHUNK_LIST_MAX : CHUNK_STORED_MAX, digest,
			&data, &len, e);
	if (r < 0)
		return r;
	if (is_list)
		return put_list(im, data, len, e);
	/* Late ones do no harm: a snapshot was replaced meanwhile. */
	if (!im->assembly)
		return 0;
	r = assembly_put(im->assembly, raw, data, len, e);
	if (r > 0)
		sd_event_source_set_enabled(im->work, SD_EVENT_ON);
	if (r < 0)
		judge(im, raw, data, len, e);
	return r < 0 ? r : 0;
}

/* ---- what is wanted */
static int append(sd_bus_message *m, const char *kind,
		  const uint8_t digest[HASH_SIZE])
{
	char text[TEXT_DIGEST_SIZE];

	text_digest(digest, text);
	return sd_bus_message_append(m, "(ss)", kind, text);
}

static bool is_among(const uint8_t *const *digests, unsigned int n,
		     const uint8_t *digest)
{
	for (unsigned int i = 0; i < n; i++)
		if (memcmp(digests[i], digest, HASH_SIZE) == 0)
			return true;
	return false;
}

static int append_chunks(struct image *im, sd_bus_message *m, unsigned int max)
{
	const uint8_t *told[NAMES_MAX];
	const struct chunk *c;
	unsigned int n = 0;
	size_t i = 0;
	int r = 0;

	if (max > NAMES_MAX)
		max = NAMES_MAX;
	while (r >= 0 && n < max) {
		i = assembly_missing(im->assembly, i);
		c = assembly_chunk(im->assembly, i++);
		if (!c)
			break;
		if (is_among(told, n, c->digest))
			continue;
		told[n++] = c->digest;
		r = append(m, "chunk", c->digest);
	}
	return r;
}

int image_wants(struct policyd *p, sd_bus_message *m, unsigned int max)
{
	struct image *im = p->image;
	unsigned int n = 0;
	int r = 0;

	if (!p->staged || p->staged_blocked)
		return 0;
	for (unsigned int i = 0; r >= 0 && n < max && i < p->staged->n; i++) {
		if (held_by_digest(&p->staged_docs, p->staged->entry[i].digest))
			continue;
		r = append(m, "document", p->staged->entry[i].digest);
		n++;
	}
	if (r < 0 || n == max || !im->is_active)
		return r;
	if (!im->assembly)
		return sd_bus_message_append(m, "(ss)", "chunk-list",
					     im->layer.chunks);
	return append_chunks(im, m, max - n);
}

/* ---- what has changed on the disk */
/* 1: the layer is not what it was, and is gone now. */
static int check_layer(struct image *im, const char *digest)
{
	auto_close int fd = openat(im->layers, hex_of(digest),
				   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t want[HASH_SIZE], got[HASH_SIZE];

	text_undigest(digest, want);
	if (fd >= 0 && hash_fd(fd, got) == 0 &&
	    memcmp(want, got, HASH_SIZE) == 0)
		return 0;
	log_error("layer %s has changed on the disk: deleted", digest);
	unlinkat(im->layers, hex_of(digest), 0);
	return 1;
}

static bool check_layers(struct image *im, const struct held *docs)
{
	struct held_walk w = { 0 };
	const struct doc_layer *l;
	bool lost = false;

	while ((l = held_next_layer(docs, &w)))
		lost |= check_layer(im, l->digest);
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

int image_check(struct policyd *p, struct err *e)
{
	AUTO(store_endp) struct store *tx = NULL;
	int64_t boot_s = (int64_t)(clock_boot_ns() / 1000000000);
	char boot[40], text[80];
	bool lost;
	int r;

	securetime_boot_id(boot);
	if (is_same_boot(p, boot, boot_s))
		return 0;
	lost = check_layers(p->image, &p->force);
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
		if (strncmp(hex_of(l->digest), hex, 64) == 0 ||
		    strncmp(hex_of(l->chunks), hex, 64) == 0)
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
	if (unlinkat(d->p->image->layers, d->hex, 0) == 0)
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

void image_collect(struct policyd *p)
{
	/* While documents are on their way, so may be their layers. */
	if (p->staged || store_int(p->store, STORE_APPLYING, 0))
		return;
	collect(p, p->image->layers, true);
	collect(p, p->image->lists, false);
}

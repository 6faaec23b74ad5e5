/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/image.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "policyd/layer_download.h"
#include "policyd/layer_store.h"
#include "policyd/policyd.h"
#include "policyd/verdict.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define NAME_SIZE 80
#define NAMES_MAX 64 /* digests in one answer that are compared for twins */

struct image {
	struct policyd *p;
	struct shelf *shelf;
	image_whole_fn *whole;
	uint64_t reserve;
	sd_event_source *work; /* digests the layer in small pieces */
	/* What is put together: copies, since documents come and go. */
	bool is_active;
	struct doc_head doc;
	struct doc_layer layer;
	struct assembly *assembly; /* NULL: its list is missing */
	size_t next;		   /* chunk that the next answer begins with */
};

static int on_work(sd_event_source *s, void *arg);

int image_new(struct policyd *p, uint64_t reserve, image_whole_fn *whole,
	      struct image **ret, struct err *e)
{
	AUTO(image_freep) struct image *im = calloc(1, sizeof(*im));
	int r;

	if (!im)
		return err_oom(e, "open layers");
	im->p = p;
	im->shelf = p->shelf;
	im->reserve = reserve;
	im->whole = whole;
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
	free(im);
}

static void part_names(const struct doc_layer *l, char part[NAME_SIZE],
		       char have[NAME_SIZE])
{
	snprintf(part, NAME_SIZE, "%s.part", shelf_name(l->digest));
	snprintf(have, NAME_SIZE, "%s.have", shelf_name(l->digest));
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
	if (verdict_refuse(p,
			   &(struct verdict_refusal){ VERDICT_ACCEPTED, &d,
						      NULL, why },
			   &e) < 0)
		log_error("write receipt: %s", e.text);
}

/* The layer cannot be had: neither can its document. */
static void refuse(struct image *im, const struct err *why)
{
	char part[NAME_SIZE], have[NAME_SIZE];
	struct doc_head head = im->doc;

	part_names(&im->layer, part, have);
	unlinkat(shelf_layers(im->shelf), part, 0);
	unlinkat(shelf_layers(im->shelf), have, 0);
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
		if (!shelf_has_layer(im->shelf, l->digest) &&
		    faccessat(shelf_layers(im->shelf), part, F_OK, 0) < 0)
			need += l->size;
	}
	if (fstatvfs(shelf_layers(im->shelf), &vfs) < 0)
		return err_sys(e, errno, "measure the state folder");
	room = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (room >= need)
		return 0;
	text_size(need, a);
	text_size(room, b);
	return err_reason(e, REASON_STORAGE_FULL,
			  "layers need %s, and %s are left", a, b);
}

/* From layers that are in force: most of a new version is the old one. */
static void reuse(struct image *im)
{
	struct held_walk w = { 0 };
	const struct doc_layer *l;

	while ((l = held_next_layer(&im->p->force, &w))) {
		auto_free struct chunk_list *list = NULL;
		auto_close int fd = shelf_open_layer(im->shelf, l->digest);
		struct err ignored;

		if (fd >= 0 &&
		    shelf_read_list(im->shelf, l->chunks, &list, &ignored) == 0)
			assembly_reuse(im->assembly, list, fd, &ignored);
	}
}

/* The list is here: opens the layer that it makes. */
static int open_assembly(struct image *im, struct err *e)
{
	char part[NAME_SIZE], have[NAME_SIZE];
	auto_free struct chunk_list *list = NULL;
	int r = shelf_read_list(im->shelf, im->layer.chunks, &list, e);

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
	r = assembly_open(shelf_layers(im->shelf), part, have, list,
			  &im->assembly, e);
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

	if (r == 0 && shelf_has_list(im->shelf, im->layer.chunks))
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
		l = shelf_missing(p->shelf, &p->staged_docs, &doc);
	if (l && im->is_active && strcmp(l->digest, im->layer.digest) == 0 &&
	    strcmp(l->chunks, im->layer.chunks) == 0) {
		im->doc = doc->head; /* perhaps of another document */
		return;
	}
	stop(im);
	if (!l)
		return;
	im->is_active = true;
	im->next = 0;
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
	if (renameat(shelf_layers(im->shelf), part, shelf_layers(im->shelf),
		     shelf_name(im->layer.digest)) < 0 ||
	    fsync(shelf_layers(im->shelf)) < 0)
		return err_sys(e, errno, "keep layer");
	unlinkat(shelf_layers(im->shelf), have, 0);
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
	struct err why;
	int r = shelf_put_list(im->shelf, im->layer.chunks, data, len, e);

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
	size_t i = im->next;
	bool wrapped = false;
	unsigned int n = 0;
	int r = 0;

	if (max > NAMES_MAX)
		max = NAMES_MAX;
	/* Each answer goes on behind the one before: some that cannot be had
	 * keep nothing back. */
	while (r >= 0 && n < max) {
		i = assembly_missing(im->assembly, i);
		c = assembly_chunk(im->assembly, i);
		if (wrapped && (!c || i >= im->next))
			break;
		if (!c) {
			wrapped = true;
			i = 0;
			continue;
		}
		i++;
		if (is_among(told, n, c->digest))
			continue;
		told[n++] = c->digest;
		r = append(m, "chunk", c->digest);
	}
	im->next = i;
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

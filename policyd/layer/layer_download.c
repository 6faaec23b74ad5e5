/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/layer/layer_download.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "policyd/document/document_state.h"
#include "policyd/layer/layer_assembly.h"
#include "policyd/layer/layer_store.h"
#include "policyd/receipt/pending.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/recorder.h"
#include "policyd/receipt/refusal.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define NAME_SIZE 80
#define NAMES_MAX 64 /* digests in one answer that are compared for twins */

struct layer_download {
	struct layer_download_options o;
	sd_event_source *work; /* digests the layer in small pieces */
	/* What is put together: copies, since documents come and go. */
	bool is_active;
	struct doc_head doc;
	struct doc_layer layer;
	struct layer_assembly *assembly; /* NULL: its list is missing */
	size_t next; /* chunk that the next answer begins with */
};

static int on_digest_work(sd_event_source *s, void *arg);

int layer_download_new(const struct layer_download_options *o,
		       struct layer_download **ret, struct err *e)
{
	AUTO(layer_download_freep)
	struct layer_download *ld = calloc(1, sizeof(*ld));
	int r;

	if (!ld)
		return err_oom(e, "open layers");
	ld->o = *o;
	r = sd_event_add_defer(o->event, &ld->work, on_digest_work, ld);
	if (r >= 0)
		r = sd_event_source_set_priority(ld->work,
						 SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(ld->work, SD_EVENT_OFF);
	if (r < 0)
		return err_sys(e, -r, "open layers");
	*ret = steal(ld);
	return 0;
}

void layer_download_free(struct layer_download *ld)
{
	if (!ld)
		return;
	layer_assembly_close(ld->assembly);
	sd_event_source_unref(ld->work);
	free(ld);
}

static void format_part_names(const struct doc_layer *l, char part[NAME_SIZE],
			      char have[NAME_SIZE])
{
	snprintf(part, NAME_SIZE, "%s.part",
		 layer_store_get_file_name(l->digest));
	snprintf(have, NAME_SIZE, "%s.have",
		 layer_store_get_file_name(l->digest));
}

static void stop_layer_download(struct layer_download *ld)
{
	layer_assembly_close(ld->assembly);
	ld->assembly = NULL;
	ld->is_active = false;
	sd_event_source_set_enabled(ld->work, SD_EVENT_OFF);
}

/* An accepted image turned out to be impossible: its snapshot is not waited for
 * until it is sent again. */
static void refuse_image_document(struct layer_download *ld,
				  const struct doc_head *image,
				  const struct err *why)
{
	const struct receipt_doc d = receipt_issuer_describe_document(image);
	struct err e;

	log_warning("image '%s' %u: %s", image->id, image->version, why->text);
	ld->o.state->staged_blocked = true;
	if (refusal_commit(ld->o.recorder,
			   &(struct refusal){ REFUSAL_ACCEPTED, &d, NULL, why },
			   &e) < 0)
		log_error("write receipt: %s", e.text);
}

/* The layer cannot be had: neither can its document. */
static void refuse_current_layer(struct layer_download *ld,
				 const struct err *why)
{
	char part[NAME_SIZE], have[NAME_SIZE];
	struct doc_head head = ld->doc;

	format_part_names(&ld->layer, part, have);
	unlinkat(layer_store_get_layers_fd(ld->o.layers), part, 0);
	unlinkat(layer_store_get_layers_fd(ld->o.layers), have, 0);
	stop_layer_download(ld);
	refuse_image_document(ld, &head, why);
}

/* Before a byte is fetched: is there room for all that is missing? */
static int check_free_space(struct layer_download *ld,
			    const struct document_set *docs, struct err *e)
{
	uint64_t need = ld->o.reserve, room;
	struct document_set_walk w = { 0 };
	const struct doc_layer *l;
	struct statvfs vfs;
	char a[24], b[24];

	while ((l = document_set_next_layer(docs, &w))) {
		char part[NAME_SIZE], have[NAME_SIZE];

		format_part_names(l, part, have);
		if (!layer_store_has_layer(ld->o.layers, l->digest) &&
		    faccessat(layer_store_get_layers_fd(ld->o.layers), part,
			      F_OK, 0) < 0)
			need += l->size;
	}
	if (fstatvfs(layer_store_get_layers_fd(ld->o.layers), &vfs) < 0)
		return err_sys(e, errno, "measure the state folder");
	room = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (room >= need)
		return 0;
	encoding_format_size(need, a);
	encoding_format_size(room, b);
	return err_reason(e, REASON_STORAGE_FULL,
			  "layers need %s, and %s are left", a, b);
}

/* From layers that are in force: most of a new version is the old one. */
static void copy_known_chunks(struct layer_download *ld)
{
	struct document_set_walk w = { 0 };
	const struct doc_layer *l;

	while ((l = document_set_next_layer(&ld->o.state->in_force, &w))) {
		auto_free struct chunk_list *list = NULL;
		auto_close int fd =
			layer_store_open_layer(ld->o.layers, l->digest);
		struct err ignored;

		if (fd >= 0 &&
		    layer_store_read_chunk_list(ld->o.layers, l->chunks, &list,
						&ignored) == 0)
			layer_assembly_copy_chunks(ld->assembly, list, fd,
						   &ignored);
	}
}

/* The list is here: opens the layer that it makes. */
static int open_listed_layer(struct layer_download *ld, struct err *e)
{
	char part[NAME_SIZE], have[NAME_SIZE];
	auto_free struct chunk_list *list = NULL;
	int r = layer_store_read_chunk_list(ld->o.layers, ld->layer.chunks,
					    &list, e);

	if (r < 0)
		return r;
	assert(list);
	if (list->size != ld->layer.size)
		return err_reason(e, REASON_IMAGE_DIGEST,
				  "the chunk list makes %llu bytes of a layer "
				  "of %llu",
				  (unsigned long long)list->size,
				  (unsigned long long)ld->layer.size);
	format_part_names(&ld->layer, part, have);
	r = layer_assembly_open(layer_store_get_layers_fd(ld->o.layers), part,
				have, list, &ld->assembly, e);
	if (r < 0)
		return r;
	list = NULL; /* taken over */
	copy_known_chunks(ld);
	sd_event_source_set_enabled(ld->work, SD_EVENT_ON);
	return 0;
}

static int begin_layer_download(struct layer_download *ld, struct err *e)
{
	int r = check_free_space(ld, &ld->o.state->staged_docs, e);

	if (r == 0 &&
	    layer_store_has_chunk_list(ld->o.layers, ld->layer.chunks))
		r = open_listed_layer(ld, e);
	return r;
}

void layer_download_resume(struct layer_download *ld)
{
	const struct doc_layer *l = NULL;
	const struct doc_image *doc;
	struct err e;

	if (ld->o.state->staged && !ld->o.state->staged_blocked)
		l = layer_store_find_missing_layer(
			ld->o.layers, &ld->o.state->staged_docs, &doc);
	if (l && ld->is_active && strcmp(l->digest, ld->layer.digest) == 0 &&
	    strcmp(l->chunks, ld->layer.chunks) == 0) {
		ld->doc = doc->head; /* perhaps of another document */
		return;
	}
	stop_layer_download(ld);
	if (!l)
		return;
	ld->is_active = true;
	ld->next = 0;
	ld->doc = doc->head;
	ld->layer = *l;
	if (begin_layer_download(ld, &e) < 0)
		refuse_current_layer(ld, &e);
	else
		pending_signal(ld->o.recorder->pending, "wants");
}

/* ---- putting it together */
static int install_layer_file(struct layer_download *ld, struct err *e)
{
	char part[NAME_SIZE], have[NAME_SIZE];
	int r = layer_assembly_sync(ld->assembly, e);

	if (r < 0)
		return r;
	format_part_names(&ld->layer, part, have);
	if (renameat(layer_store_get_layers_fd(ld->o.layers), part,
		     layer_store_get_layers_fd(ld->o.layers),
		     layer_store_get_file_name(ld->layer.digest)) < 0 ||
	    fsync(layer_store_get_layers_fd(ld->o.layers)) < 0)
		return err_sys(e, errno, "keep layer");
	unlinkat(layer_store_get_layers_fd(ld->o.layers), have, 0);
	log_info("layer %s is complete", ld->layer.digest);
	return 0;
}

static int finish_layer_download(struct layer_download *ld,
				 const uint8_t got[HASH_SIZE], struct err *e)
{
	uint8_t want[HASH_SIZE];

	encoding_parse_digest(ld->layer.digest, want);
	if (memcmp(got, want, HASH_SIZE) == 0)
		return install_layer_file(ld, e);
	if (!layer_assembly_has_reused_chunks(ld->assembly))
		return err_reason(e, REASON_IMAGE_DIGEST,
				  "the chunks of layer %s make another one",
				  ld->layer.digest);
	/* A power cut may have taken bytes that were noted as there. */
	log_warning("layer %s: started again", ld->layer.digest);
	return layer_assembly_restart(ld->assembly, e) < 0 ? -EIO : -EAGAIN;
}

static int on_digest_work(sd_event_source *s, void *arg)
{
	struct layer_download *ld = arg;
	uint8_t digest[HASH_SIZE];
	struct err e;
	int r;

	if (!ld->assembly) {
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
		return 0;
	}
	r = layer_assembly_update_digest(ld->assembly, digest, &e);
	if (r == -EAGAIN)
		return 0;
	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (r == 0)
		return 0;
	if (r > 0)
		r = finish_layer_download(ld, digest, &e);
	if (r == -EAGAIN) {
		pending_signal(ld->o.recorder->pending, "wants");
		return 0;
	}
	if (r < 0) {
		refuse_current_layer(ld, &e);
		return 0;
	}
	layer_download_resume(ld);
	if (ld->o.complete(ld->o.arg, &e) < 0)
		log_error("activate: %s", e.text);
	return 0;
}

static int receive_chunk_list(struct layer_download *ld, const void *data,
			      size_t len, struct err *e)
{
	struct err why;
	int r = layer_store_write_chunk_list(ld->o.layers, ld->layer.chunks,
					     data, len, e);

	if (r == -ENOSPC)
		return err_reason(e, REASON_STORAGE_FULL,
				  "keep chunk list: no room");
	if (r < 0)
		return r;
	/* The list is what was asked for; whether it fits is the image's fault.
	 */
	if (open_listed_layer(ld, &why) < 0)
		refuse_current_layer(ld, &why);
	return 0;
}

/* What is wanted may be large (a list) or not (a chunk). */
static int read_verified_file(int fd, size_t max, const char *digest,
			      char **ret, size_t *ret_len, struct err *e)
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
	encoding_parse_digest(digest, want);
	if (memcmp(got, want, HASH_SIZE) != 0)
		return err_reason(e, REASON_CHUNK,
				  "%s: the bytes have another digest", digest);
	return 0;
}

/* These are the bytes that the list names: no others will ever come. */
static void refuse_bad_chunk(struct layer_download *ld,
			     const uint8_t want[HASH_SIZE], const void *data,
			     size_t len, const struct err *why)
{
	uint8_t digest[HASH_SIZE];

	hash_sha256(data, len, digest);
	if (why->reason == REASON_CHUNK && memcmp(digest, want, HASH_SIZE) == 0)
		refuse_current_layer(ld, why);
}

int layer_download_receive_chunk(struct layer_download *ld, const char *digest,
				 int fd, struct err *e)
{
	auto_free char *data = NULL;
	uint8_t raw[HASH_SIZE];
	bool is_list;
	size_t len;
	int r;

	if (encoding_parse_digest(digest, raw) < 0)
		return err_reason(e, REASON_CHUNK, "'%.80s' is not a digest",
				  digest);
	is_list = ld->is_active && !ld->assembly &&
		  strcmp(ld->layer.chunks, digest) == 0;
	r = read_verified_file(fd, is_list ? CHUNK_LIST_MAX : CHUNK_STORED_MAX,
			       digest, &data, &len, e);
	if (r < 0)
		return r;
	if (is_list)
		return receive_chunk_list(ld, data, len, e);
	/* Late ones do no harm: a snapshot was replaced meanwhile. */
	if (!ld->assembly)
		return 0;
	r = layer_assembly_add_chunk(ld->assembly, raw, data, len, e);
	if (r > 0)
		sd_event_source_set_enabled(ld->work, SD_EVENT_ON);
	if (r < 0)
		refuse_bad_chunk(ld, raw, data, len, e);
	return r < 0 ? r : 0;
}

/* ---- what is wanted */
static void set_wanted(struct layer_download_wanted *w, const char *kind,
		       const uint8_t digest[HASH_SIZE])
{
	w->kind = kind;
	encoding_format_digest(digest, w->digest);
}

static bool is_digest_listed(const uint8_t *const *digests, unsigned int n,
			     const uint8_t *digest)
{
	for (unsigned int i = 0; i < n; i++)
		if (memcmp(digests[i], digest, HASH_SIZE) == 0)
			return true;
	return false;
}

static unsigned int list_missing_chunks(struct layer_download *ld,
					struct layer_download_wanted *ret,
					unsigned int max)
{
	const uint8_t *listed[NAMES_MAX];
	const struct chunk *c;
	size_t i = ld->next;
	bool wrapped = false;
	unsigned int n = 0;

	if (max > NAMES_MAX)
		max = NAMES_MAX;
	/* Each answer goes on behind the one before: some that cannot be had
	 * keep nothing back. */
	while (n < max) {
		i = layer_assembly_next_missing(ld->assembly, i);
		c = layer_assembly_get_chunk(ld->assembly, i);
		if (wrapped && (!c || i >= ld->next))
			break;
		if (!c) {
			wrapped = true;
			i = 0;
			continue;
		}
		i++;
		if (is_digest_listed(listed, n, c->digest))
			continue;
		set_wanted(&ret[n], "chunk", c->digest);
		listed[n++] = c->digest;
	}
	ld->next = i;
	return n;
}

unsigned int layer_download_list_wanted(struct layer_download *ld,
					struct layer_download_wanted *ret,
					unsigned int max)
{
	const struct document_state *state = ld->o.state;
	unsigned int n = 0;

	if (!state->staged || state->staged_blocked)
		return 0;
	for (unsigned int i = 0; n < max && i < state->staged->n; i++) {
		const uint8_t *digest = state->staged->entry[i].digest;

		if (!document_set_find_by_digest(&state->staged_docs, digest))
			set_wanted(&ret[n++], "document", digest);
	}
	if (n == max || !ld->is_active)
		return n;
	if (ld->assembly)
		return n + list_missing_chunks(ld, &ret[n], max - n);
	ret[n].kind = "chunk-list";
	snprintf(ret[n].digest, sizeof(ret[n].digest), "%s", ld->layer.chunks);
	return n + 1;
}

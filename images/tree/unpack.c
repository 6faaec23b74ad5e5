/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/unpack.h"

#include "images/interrupt.h"
#include "images/tree/acl.h"
#include "images/tree/tree.h"
#include "images/tree/tree_entry.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/posix_acl.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK (256 * 1024)
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define AUFS ".wh..wh."

/* Filters inside libarchive only: the others start programs. */
static int (*const filters[])(struct archive *) = {
	archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
	archive_read_support_filter_xz,	  archive_read_support_filter_lzma,
	archive_read_support_filter_zstd, archive_read_support_filter_lz4,
	archive_read_support_filter_lzip, archive_read_support_filter_compress,
};

/*
 * A tar is read by two readers: the outer one decompresses, so that the bytes
 * in between can be hashed and counted; the inner one takes the tar apart.
 */
struct tar_stream {
	struct unpack *u;
	const char *name;
	struct archive *outer, *inner;
	struct hash *hash;
	uint64_t bytes;
	bool failed; /* e says why */
	struct err *e;
	uint8_t block[BLOCK];
};

void unpack_init(struct unpack *u)
{
	*u = (struct unpack){ .max_entries = UNPACK_ENTRIES,
			      .max_bytes = UNPACK_BYTES,
			      .max_ratio = UNPACK_RATIO };
}

static void tar_stream_freep(struct tar_stream **s)
{
	if (!*s)
		return;
	if ((*s)->inner)
		archive_read_free((*s)->inner);
	if ((*s)->outer)
		archive_read_free((*s)->outer);
	hash_free((*s)->hash);
	free(*s);
}

static int set_archive_error(struct archive *a, const char *name, struct err *e)
{
	const char *why = archive_error_string(a);
	int code = archive_errno(a);

	return err_set(e, code == ENOMEM ? ENOMEM : EINVAL, "read %s: %s", name,
		       why ? why : "not an archive that can be read");
}

static int check_compression_ratio(struct tar_stream *s, struct err *e)
{
	int64_t packed = archive_filter_bytes(s->outer, -1);

	if (packed <= 0 || s->bytes < UNPACK_RATIO_FROM ||
	    s->bytes / (uint64_t)packed <= s->u->max_ratio)
		return 0;
	return err_set(e, EFBIG,
		       "read %s: unpacks to more than %" PRIu64
		       " times its size (see --max-ratio)",
		       s->name, s->u->max_ratio);
}

static int check_byte_limit(const struct unpack *u, uint64_t more,
			    const char *name, struct err *e)
{
	if (more <= u->max_bytes && u->bytes <= u->max_bytes - more)
		return 0;
	return err_set(e, EFBIG,
		       "read %s: holds more than %" PRIu64
		       " bytes (see --max-bytes)",
		       name, u->max_bytes);
}

/* One block of decompressed bytes; 0 at the end. */
static ssize_t read_stream_block(struct tar_stream *s, struct err *e)
{
	la_ssize_t n;
	int r = interrupt_check(e);

	if (r < 0)
		return r;
	n = archive_read_data(s->outer, s->block, sizeof(s->block));
	if (n < 0)
		return set_archive_error(s->outer, s->name, e);
	s->bytes += (uint64_t)n;
	if (s->hash)
		hash_add(s->hash, s->block, (size_t)n);
	r = check_compression_ratio(s, e);
	return r < 0 ? r : (ssize_t)n;
}

static la_ssize_t on_inner_read(struct archive *a, void *data, const void **ret)
{
	struct tar_stream *s = data;
	ssize_t n = read_stream_block(s, s->e);

	*ret = s->block;
	if (n >= 0)
		return n;
	s->failed = true;
	archive_set_error(a, EIO, "the compressed stream");
	return ARCHIVE_FATAL;
}

static int open_tar_stream(struct unpack *u, int fd, const char *name,
			   bool hashed, struct tar_stream **ret, struct err *e)
{
	AUTO(tar_stream_freep) struct tar_stream *s = calloc(1, sizeof(*s));
	struct archive_entry *ae;

	if (!s)
		return err_oom(e, name);
	s->u = u;
	s->name = name;
	s->e = e;
	s->outer = archive_read_new();
	s->inner = archive_read_new();
	s->hash = hashed ? hash_new() : NULL;
	if (!s->outer || !s->inner || (hashed && !s->hash))
		return err_oom(e, name);
	/* WARN is a filter that libarchive has not got; the data shows it then.
	 */
	for (unsigned int i = 0; i < ARRAY_SIZE(filters); i++)
		if (filters[i](s->outer) < ARCHIVE_WARN)
			return set_archive_error(s->outer, name, e);
	archive_read_support_format_raw(s->outer);
	archive_read_support_format_tar(s->inner);
	if (archive_read_open_fd(s->outer, fd, BLOCK) != ARCHIVE_OK ||
	    archive_read_next_header(s->outer, &ae) != ARCHIVE_OK)
		return set_archive_error(s->outer, name, e);
	if (archive_read_open(s->inner, s, NULL, on_inner_read, NULL) !=
	    ARCHIVE_OK)
		return s->failed ? -EIO : set_archive_error(s->inner, name, e);
	*ret = steal(s);
	return 0;
}

/* 1: there is an entry, 0: the end. */
static int read_next_entry(struct archive *a, const char *name, bool *failed,
			   struct archive_entry **ret, struct err *e)
{
	int r = archive_read_next_header(a, ret);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r == ARCHIVE_OK || r == ARCHIVE_WARN)
		return 1;
	return failed && *failed ? -EIO : set_archive_error(a, name, e);
}

static int copy_entry_content(struct unpack *u, struct archive *a,
			      const char *name, int64_t size, int fd,
			      bool *failed, struct err *e)
{
	uint64_t end = 0;

	for (;;) {
		const void *block;
		la_int64_t at;
		size_t n;
		int r = archive_read_data_block(a, &block, &n, &at);

		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return failed && *failed
				       ? -EIO
				       : set_archive_error(a, name, e);
		if (at < 0 || (uint64_t)at < end)
			return err_set(e, EINVAL, "read %s: data out of order",
				       name);
		end = (uint64_t)at + n;
		r = check_byte_limit(u, end, name, e);
		if (r == 0)
			r = interrupt_check(e);
		if (r < 0)
			return r;
		if (lseek(fd, at, SEEK_SET) < 0)
			return err_sys(e, errno, "unpack %s", name);
		r = io_write_all(fd, block, n);
		if (r < 0)
			return err_sys(e, -r, "unpack %s", name);
	}
	if (size > 0 && (uint64_t)size > end)
		end = (uint64_t)size;
	if (ftruncate(fd, (off_t)end) < 0)
		return err_sys(e, errno, "unpack %s", name);
	u->bytes += end;
	return 0;
}

static const struct {
	int archive;
	uint16_t kernel;
} acl_tags[] = {
	{ ARCHIVE_ENTRY_ACL_USER_OBJ, ACL_USER_OBJ },
	{ ARCHIVE_ENTRY_ACL_USER, ACL_USER },
	{ ARCHIVE_ENTRY_ACL_GROUP_OBJ, ACL_GROUP_OBJ },
	{ ARCHIVE_ENTRY_ACL_GROUP, ACL_GROUP },
	{ ARCHIVE_ENTRY_ACL_MASK, ACL_MASK },
	{ ARCHIVE_ENTRY_ACL_OTHER, ACL_OTHER },
};

static uint16_t get_kernel_acl_tag(int archive)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(acl_tags); i++)
		if (acl_tags[i].archive == archive)
			return acl_tags[i].kernel;
	return 0;
}

static int copy_entry_acl(struct unpack *u, struct archive_entry *ae, int type,
			  enum acl_kind kind, struct tree *t, struct err *e)
{
	struct acl_entry entries[ACL_ENTRIES_MAX];
	int count = archive_entry_acl_reset(ae, type);
	int their_type, permset, tag, id;
	const char *name;
	size_t n = 0;

	if (count > ACL_ENTRIES_MAX)
		return err_set(e, E2BIG, "an ACL of %d entries", count);
	while ((int)n < count &&
	       archive_entry_acl_next(ae, type, &their_type, &permset, &tag,
				      &id, &name) == ARCHIVE_OK)
		entries[n++] = (struct acl_entry){
			.tag = get_kernel_acl_tag(tag),
			.permissions = (uint16_t)(permset & 7),
			.id = id,
			.name = name,
		};
	return acl_apply(kind, entries, n, t, &u->acls, e);
}

static int copy_entry_xattrs(struct unpack *u, struct archive_entry *ae,
			     struct tree *t, struct err *e)
{
	const char *name;
	const void *value;
	size_t len;
	int r = copy_entry_acl(u, ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS,
			       ACL_OF_ACCESS, t, e);

	if (r == 0)
		r = copy_entry_acl(u, ae, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT,
				   ACL_OF_DEFAULT, t, e);
	archive_entry_xattr_reset(ae);
	while (r == 0 &&
	       archive_entry_xattr_next(ae, &name, &value, &len) == ARCHIVE_OK)
		r = tree_set_xattr(t, name, value, len, e);
	return r;
}

static int convert_archive_entry(struct archive_entry *ae, const char *path,
				 struct tree_entry *ret, struct err *e)
{
	const char *hard = archive_entry_hardlink(ae);
	la_int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
	time_t sec = archive_entry_mtime(ae);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_set(e, EINVAL, "entry '%.200s': owner out of range",
			       path);
	*ret = (struct tree_entry){
		.path = path,
		.is_hardlink = hard,
		.link = hard ? hard : archive_entry_symlink(ae),
		.mode = archive_entry_mode(ae),
		.uid = (uid_t)uid,
		.gid = (gid_t)gid,
		.mtime.tv_sec = sec > 0 ? sec : 0,
		.mtime.tv_nsec = sec > 0 ? archive_entry_mtime_nsec(ae) : 0,
	};
	if (S_ISLNK(ret->mode) && !hard && !ret->link)
		return err_set(e, EINVAL, "entry '%.200s': a link to nothing",
			       path);
	return 0;
}

static int unpack_archive_entry(struct unpack *u, struct archive *a,
				struct archive_entry *ae, const char *path,
				struct tree *t, bool *failed, struct err *e)
{
	int64_t size =
		archive_entry_size_is_set(ae) ? archive_entry_size(ae) : 0;
	struct tree_entry te;
	int fd, r;

	r = convert_archive_entry(ae, path, &te, e);
	if (r == 0 && S_ISREG(te.mode) && !te.is_hardlink)
		r = size < 0 ? err_set(e, EINVAL, "entry '%.200s': no size",
				       path)
			     : check_byte_limit(u, (uint64_t)size, path, e);
	if (r == 0)
		r = tree_begin_entry(t, &te, &fd, e);
	if (r != 0)
		return r < 0 ? r : 0;
	if (fd >= 0)
		r = copy_entry_content(u, a, path, size, fd, failed, e);
	if (r == 0)
		r = tree_set_owner(t, e);
	if (r == 0)
		r = copy_entry_xattrs(u, ae, t, e);
	return r < 0 ? r : tree_end_entry(t, e);
}

/* Below a folder that aufs keeps for itself? */
static bool is_aufs_metadata(const char *path)
{
	const char *at = strstr(path, AUFS);

	return at && (at == path || at[-1] == '/') && strchr(at, '/');
}

/* Runtimes take a leading slash in a layer as the image's root. */
static const char *skip_leading_slashes(const char *path)
{
	return path + strspn(path, "/");
}

/* 1: it was a whiteout or belongs to one. */
static int apply_whiteout_entry(const char *path, struct tree *t, struct err *e)
{
	auto_free char *copy = strdup(path);
	const char *last;
	char *slash;
	int r;

	if (!copy)
		return err_oom(e, path);
	if (is_aufs_metadata(copy))
		return 1;
	slash = strrchr(copy, '/');
	last = slash ? slash + 1 : copy;
	if (strncmp(last, WHITEOUT, strlen(WHITEOUT)) != 0)
		return 0;
	if (strcmp(last, OPAQUE) == 0) {
		copy[last - copy] = '\0';
		r = tree_apply_opaque(t, copy, e);
		return r < 0 ? r : 1;
	}
	/* What aufs keeps for itself. */
	if (strncmp(last, AUFS, strlen(AUFS)) == 0)
		return 1;
	last += strlen(WHITEOUT);
	if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return err_set(e, EINVAL,
			       "entry '%.200s': a whiteout of nothing", path);
	memmove(copy + (last - copy) - strlen(WHITEOUT), last,
		strlen(last) + 1);
	r = tree_apply_whiteout(t, copy, e);
	return r < 0 ? r : 1;
}

static int count_archive_entry(struct unpack *u, const char *name,
			       struct err *e)
{
	if (u->entries++ < u->max_entries)
		return interrupt_check(e);
	return err_set(e, EFBIG,
		       "read %s: holds more than %" PRIu64
		       " entries (see --max-entries)",
		       name, u->max_entries);
}

int unpack_count_entry(struct unpack *u, uint64_t bytes, const char *name,
		       struct err *e)
{
	int r = count_archive_entry(u, name, e);

	if (r == 0)
		r = check_byte_limit(u, bytes, name, e);
	if (r == 0)
		u->bytes += bytes;
	return r;
}

/* The inner reader's end may lie before that of the stream. */
static int drain_tar_stream(struct tar_stream *s, struct err *e)
{
	ssize_t n;

	do {
		n = read_stream_block(s, e);
	} while (n > 0);
	return (int)n;
}

static int unpack_tar_entries(struct tar_stream *s, bool whiteouts,
			      struct tree *t, struct err *e)
{
	struct archive_entry *ae;
	int r;

	while ((r = read_next_entry(s->inner, s->name, &s->failed, &ae, e)) >
	       0) {
		const char *path = archive_entry_pathname(ae);
		const char *link = archive_entry_hardlink(ae);

		if (!path)
			return err_set(
				e, EINVAL,
				"read %s: an entry's name cannot be read",
				s->name);
		auto_free char *inside = NULL;

		if (whiteouts)
			path = skip_leading_slashes(path);
		if (whiteouts && link && *link == '/') {
			inside = strdup(skip_leading_slashes(link));
			if (!inside)
				return err_oom(e, s->name);
			archive_entry_set_hardlink(ae, inside);
		}
		r = count_archive_entry(s->u, s->name, e);
		if (r == 0 && whiteouts)
			r = apply_whiteout_entry(path, t, e);
		if (r == 0)
			r = unpack_archive_entry(s->u, s->inner, ae, path, t,
						 &s->failed, e);
		if (r < 0)
			return r;
	}
	return r;
}

int unpack_tar(struct unpack *u, int fd, const char *name, bool whiteouts,
	       struct tree *t, uint8_t ret_diff_id[HASH_SIZE], struct err *e)
{
	AUTO(tar_stream_freep) struct tar_stream *s = NULL;
	int r;

	r = open_tar_stream(u, fd, name, ret_diff_id, &s, e);
	if (r == 0)
		r = unpack_tar_entries(s, whiteouts, t, e);
	if (r == 0)
		r = drain_tar_stream(s, e);
	if (r == 0)
		r = acl_apply_deferred(&u->acls, t, e);
	acl_deferred_free(&u->acls);
	if (r == 0)
		r = tree_finish_layer(t, e);
	if (r == 0 && ret_diff_id)
		hash_end(s->hash, ret_diff_id);
	return r;
}

static void archive_reader_freep(struct archive **a)
{
	if (*a)
		archive_read_free(*a);
}

static void link_resolver_freep(struct archive_entry_linkresolver **lr)
{
	if (*lr)
		archive_entry_linkresolver_free(*lr);
}

static void disk_entry_freep(struct archive_entry **ae)
{
	if (*ae)
		archive_entry_free(*ae);
}

static int unpack_folder_entries(struct unpack *u, struct archive *a,
				 struct archive_entry_linkresolver *lr,
				 const char *root, struct tree *t,
				 struct err *e)
{
	AUTO(disk_entry_freep) struct archive_entry *ae = archive_entry_new();

	if (!ae)
		return err_oom(e, root);
	for (;;) {
		struct archive_entry *one = ae, *spare = NULL;
		const char *path;
		int r;

		archive_entry_clear(ae);
		r = archive_read_next_header2(a, ae);
		if (r == ARCHIVE_EOF)
			return 0;
		path = archive_entry_pathname(ae);
		if (r != ARCHIVE_OK || !path)
			return set_archive_error(a, root, e);
		archive_read_disk_descend(a);
		archive_entry_linkify(lr, &one, &spare);
		r = count_archive_entry(u, root, e);
		if (r == 0)
			r = unpack_archive_entry(u, a, ae, path, t, NULL, e);
		if (r < 0)
			return r;
	}
}

/* Safe because only this single-threaded program has the working folder. */
int unpack_folder(struct unpack *u, const char *path, struct tree *t,
		  struct err *e)
{
	AUTO(link_resolver_freep)
	struct archive_entry_linkresolver *lr =
		archive_entry_linkresolver_new();
	AUTO(archive_reader_freep) struct archive *a = archive_read_disk_new();
	auto_close int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (!lr || !a)
		return err_oom(e, path);
	archive_entry_linkresolver_set_strategy(
		lr, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
	archive_read_disk_set_symlink_physical(a);
	archive_read_disk_set_behavior(a, ARCHIVE_READDISK_NO_FFLAGS);
	if (back < 0 || chdir(path) < 0)
		return err_sys(e, errno, "enter %s", path);
	if (archive_read_disk_open(a, ".") != ARCHIVE_OK)
		r = set_archive_error(a, path, e);
	else
		r = unpack_folder_entries(u, a, lr, path, t, e);
	if (fchdir(back) < 0 && r == 0)
		r = err_sys(e, errno, "leave %s", path);
	if (r == 0)
		r = acl_apply_deferred(&u->acls, t, e);
	acl_deferred_free(&u->acls);
	return r < 0 ? r : tree_finish_layer(t, e);
}

static bool is_layout_member(const char *path)
{
	static const char *const names[] = { "oci-layout",    "index.json",
					     "manifest.json", "repositories",
					     "blobs",	      "version" };
	size_t n;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	n = strcspn(path, "/");
	if (n == 0 || (n == 1 && *path == '.'))
		return true;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == n && memcmp(names[i], path, n) == 0)
			return true;
	/* A digest, or an id; what is below it or behind it does not matter. */
	return strspn(path, "0123456789abcdef") == 2 * (size_t)HASH_SIZE;
}

int unpack_is_layout(struct unpack *u, int fd, const char *name, bool *ret,
		     struct err *e)
{
	AUTO(tar_stream_freep) struct tar_stream *s = NULL;
	struct archive_entry *ae;
	bool found = false;
	int r;

	r = open_tar_stream(u, fd, name, false, &s, e);
	if (r < 0)
		return r;
	while ((r = read_next_entry(s->inner, name, &s->failed, &ae, e)) > 0) {
		const char *path = archive_entry_pathname(ae);

		if (!path || !is_layout_member(path)) {
			found = false;
			break;
		}
		found = found || strstr(path, "oci-layout") ||
			strstr(path, "manifest.json");
	}
	if (r < 0)
		return r;
	*ret = found;
	return 0;
}

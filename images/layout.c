/* SPDX-License-Identifier: Apache-2.0 */
#include "images/layout.h"

#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NESTING_MAX 4

/* How each kind is recognised, and where its files are. */
static const struct layout_kind {
	/* A file of this name is there, and begins like this. */
	const char *mark, *begin;
	const char *index;
	const char *manifest; /* of an index: where its digest leads */
	const char *blob;
} kinds[] = {
	{ "oci-layout", "", "index.json", "blobs/sha256/%s",
	  "blobs/sha256/%s" },
	{ "version", "Directory Transport Version:", "manifest.json",
	  "%s.manifest.json", "%s" },
	/* Its files have names of their own. */
	{ "manifest.json", "[", "manifest.json", NULL, NULL },
};
#define OCI (&kinds[0])
#define ARCHIVE (&kinds[2])
#define BEGIN_MAX 64

static bool has_file_prefix(int dir, const char *name, const char *begin)
{
	auto_close int fd = openat(
		dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	char text[BEGIN_MAX] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	size_t space = strspn(text, " \t\r\n");

	return n >= 0 && strncmp(text + space, begin, strlen(begin)) == 0;
}

static const struct layout_kind *find_layout_kind(int dir)
{
	/* A root file system may have files of such names. */
	bool is_root = faccessat(dir, "etc", F_OK, 0) == 0;

	for (const struct layout_kind *k = kinds; k < kinds + ARRAY_SIZE(kinds);
	     k++)
		if ((k == OCI || !is_root) &&
		    has_file_prefix(dir, k->mark, k->begin))
			return k;
	return NULL;
}

bool layout_is_present(const char *path)
{
	auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && find_layout_kind(dir);
}

void layout_close(struct layout *l)
{
	if (l->dir >= 0)
		close(l->dir);
	free(l->archive);
	l->dir = -1;
	l->archive = NULL;
}

/*
 * Opens a regular file of the layout. A link would be somebody else's file;
 * archives have links to layers that occur in them twice, which may not lead
 * out.
 */
static int open_layout_file(const struct layout *l, const char *name, int *ret,
			    struct err *e)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	auto_close int fd = -1;
	struct stat st;

	if (l->kind != ARCHIVE)
		how.flags |= O_NOFOLLOW;
	fd = (int)syscall(SYS_openat2, l->dir, name, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open %.128s of the layout", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL,
			       "open %.128s of the layout: not a file", name);
	*ret = steal_fd(fd);
	return 0;
}

/* `place`: the name, with %s for the digest's digits. */
static void format_blob_name(const char *place, const struct oci_blob *blob,
			     char ret[OCI_NAME_SIZE])
{
	const char *hex = blob->digest + strlen("sha256:");
	int before = (int)strcspn(place, "%");

	snprintf(ret, OCI_NAME_SIZE, "%.*s%s%s", before, place, hex,
		 place + before + strlen("%s"));
}

static int open_verified_blob(const struct layout *l, const char *place,
			      const struct oci_blob *blob, int *ret,
			      struct err *e)
{
	char name[OCI_NAME_SIZE];
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	auto_close int fd = -1;
	struct stat st;
	int r;

	format_blob_name(place, blob, name);
	r = open_layout_file(l, name, &fd, e);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != blob->size)
		return err_set(e, EINVAL,
			       "blob %s: has %" PRIu64 " bytes, not %" PRIu64,
			       blob->digest, (uint64_t)st.st_size, blob->size);
	r = hash_fd(fd, got);
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, r < 0 ? -r : errno, "read blob %s",
			       blob->digest);
	if (encoding_parse_digest(blob->digest, want) < 0 ||
	    memcmp(want, got, HASH_SIZE) != 0)
		return err_set(e, EINVAL,
			       "blob %s: its bytes have another digest",
			       blob->digest);
	*ret = steal_fd(fd);
	return 0;
}

static int read_json_blob(const struct layout *l, const char *place,
			  const struct oci_blob *blob, char **ret,
			  size_t *ret_len, struct err *e)
{
	auto_close int fd = -1;
	int r;

	if (blob->size > OCI_FILE_MAX)
		return err_set(e, EFBIG, "blob %s: too large for a JSON file",
			       blob->digest);
	r = open_verified_blob(l, place, blob, &fd, e);
	return r < 0 ? r
		     : io_read_fd(fd, blob->digest, OCI_FILE_MAX, ret, ret_len,
				  e);
}

static int read_layout_file(const struct layout *l, const char *name,
			    char **ret, size_t *ret_len, struct err *e)
{
	auto_close int fd = -1;
	int r = open_layout_file(l, name, &fd, e);

	return r < 0 ? r : io_read_fd(fd, name, OCI_FILE_MAX, ret, ret_len, e);
}

/* A folder of skopeo's has the manifest itself, or an index of several. */
static bool is_index_json(const struct layout *l, const char *text, size_t len)
{
	auto_json json_t *j = NULL;
	struct err ignored;

	if (l->kind == OCI)
		return true;
	return json_parse(text, len, "manifest.json", &j, &ignored) == 0 &&
	       json_object_get(j, "manifests");
}

/* Walks down from the index to the manifest of one image. */
static int find_image_manifest(struct layout *l, const char *architecture,
			       const char *tag, struct err *e)
{
	auto_free char *text = NULL;
	struct oci_blob blob;
	bool is_index;
	size_t len;
	int r;

	r = read_layout_file(l, l->kind->index, &text, &len, e);
	if (r < 0)
		return r;
	is_index = is_index_json(l, text, len);
	for (int depth = 0; r == 0 && is_index; depth++) {
		if (depth == NESTING_MAX)
			return err_set(e, EINVAL, "index: nested too deep");
		r = oci_parse_index(text, len, architecture, depth ? NULL : tag,
				    &blob, &is_index, e);
		if (r < 0)
			return r;
		free(steal(text));
		r = read_json_blob(l, l->kind->manifest, &blob, &text, &len, e);
	}
	if (r == 0)
		r = oci_parse_manifest(text, len, &l->manifest, e);
	return r;
}

static int read_image_manifest(struct layout *l, const char *architecture,
			       const char *tag, struct err *e)
{
	auto_free char *text = NULL;
	size_t len = 0;
	int r = find_image_manifest(l, architecture, tag, e);

	if (r == 0)
		r = read_json_blob(l, l->kind->blob, &l->manifest.config, &text,
				   &len, e);
	return r < 0 ? r : oci_parse_config(text, len, &l->config, e);
}

/* A config has its digest for a name; older programs' have others. */
static int check_config_digest(const char *name, const char *text, size_t len,
			       struct err *e)
{
	const char *base = strrchr(name, '/');
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1] = "";

	base = base ? base + 1 : name;
	if (strcspn(base, ".") != sizeof(hex) - 1)
		return 0;
	memcpy(hex, base, sizeof(hex) - 1);
	hash_sha256(text, len, got);
	if (encoding_from_hex(hex, want, HASH_SIZE) == 0 &&
	    memcmp(want, got, HASH_SIZE) != 0)
		return err_set(e, EINVAL,
			       "%.128s: its bytes have another digest", name);
	return 0;
}

/* Layers are held against the diff_ids of the config when they are unpacked. */
static int read_docker_archive(struct layout *l, const char *tag, struct err *e)
{
	auto_free char *list = NULL, *text = NULL;
	size_t len;
	int r = read_layout_file(l, l->kind->index, &list, &len, e);

	l->archive = calloc(1, sizeof(*l->archive));
	if (r == 0 && !l->archive)
		r = err_oom(e, "read the archive");
	if (r == 0)
		r = oci_parse_archive(list, len, tag, l->archive, e);
	if (r == 0)
		r = read_layout_file(l, l->archive->config, &text, &len, e);
	if (r == 0)
		r = check_config_digest(l->archive->config, text, len, e);
	if (r == 0)
		r = oci_parse_config(text, len, &l->config, e);
	if (r == 0)
		l->manifest.n_layers = l->archive->n_layers;
	return r;
}

int layout_open(const char *path, const char *architecture, const char *tag,
		struct layout *ret, struct err *e)
{
	AUTO(layout_close) struct layout l = { .dir = -1 };
	int r;

	l.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.dir < 0)
		return err_sys(e, errno, "open %s", path);
	l.kind = find_layout_kind(l.dir);
	if (!l.kind)
		return err_set(e, EINVAL,
			       "open %s: its manifest.json is neither of a "
			       "docker archive nor of a folder of skopeo's",
			       path);
	if (l.kind == ARCHIVE)
		r = read_docker_archive(&l, tag, e);
	else
		r = read_image_manifest(&l, architecture, tag, e);
	if (r < 0)
		return r;
	if (l.config.n_layers != l.manifest.n_layers)
		return err_set(e, EINVAL,
			       "open %s: %u layers, but %u in the config", path,
			       l.manifest.n_layers, l.config.n_layers);
	if (architecture && strcmp(architecture, l.config.architecture) != 0)
		/* An index has said already which there are; of the one image
		 * that others have, the caller may take what it is. */
		return err_set(e, l.kind == OCI ? EINVAL : ENOENT,
			       "open %s: made for %s, not %s", path,
			       l.config.architecture, architecture);
	*ret = l;
	l.dir = -1;
	l.archive = NULL;
	return 0;
}

const char *layout_layer_name(const struct layout *l, unsigned int layer)
{
	return l->archive ? l->archive->layer[layer]
			  : l->manifest.layer[layer].digest;
}

int layout_open_layer(const struct layout *l, unsigned int layer, int *ret_fd,
		      struct err *e)
{
	if (l->archive)
		return open_layout_file(l, l->archive->layer[layer], ret_fd, e);
	return open_verified_blob(l, l->kind->blob, &l->manifest.layer[layer],
				  ret_fd, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "images/layout.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/hash.h"
#include "lib/io.h"
#include "lib/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define NESTING_MAX 4

bool layout_is_there(const char *path)
{
	auto_free char *mark = io_join(path, "oci-layout");

	return mark && access(mark, F_OK) == 0;
}

void layout_close(struct layout *l)
{
	if (l->dir >= 0)
		close(l->dir);
	l->dir = -1;
}

/* Opens a regular file of the layout; a link would be somebody else's file. */
static int open_file(const struct layout *l, const char *name, int *ret,
		     struct err *e)
{
	auto_close int fd = openat(
		l->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open %s of the layout", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "open %s of the layout: not a file",
			       name);
	*ret = steal_fd(fd);
	return 0;
}

static int open_blob(const struct layout *l, const struct oci_blob *blob,
		     int *ret, struct err *e)
{
	char name[sizeof("blobs/sha256/") + OCI_DIGEST_SIZE];
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	auto_close int fd = -1;
	struct stat st;
	int r;

	snprintf(name, sizeof(name), "blobs/sha256/%s",
		 blob->digest + strlen("sha256:"));
	r = open_file(l, name, &fd, e);
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
	if (text_undigest(blob->digest, want) < 0 ||
	    memcmp(want, got, HASH_SIZE) != 0)
		return err_set(e, EINVAL,
			       "blob %s: its bytes have another digest",
			       blob->digest);
	*ret = steal_fd(fd);
	return 0;
}

static int read_blob(const struct layout *l, const struct oci_blob *blob,
		     char **ret, size_t *ret_len, struct err *e)
{
	auto_close int fd = -1;
	int r;

	if (blob->size > OCI_FILE_MAX)
		return err_set(e, EFBIG, "blob %s: too large for a JSON file",
			       blob->digest);
	r = open_blob(l, blob, &fd, e);
	return r < 0 ? r
		     : io_read_fd(fd, blob->digest, OCI_FILE_MAX, ret, ret_len,
				  e);
}

/* Walks down from index.json to the manifest of one image. */
static int find_image(struct layout *l, const char *architecture,
		      const char *tag, struct err *e)
{
	auto_free char *text = NULL;
	auto_close int fd = -1;
	struct oci_blob blob;
	bool is_index = true;
	size_t len;
	int r;

	r = open_file(l, "index.json", &fd, e);
	if (r == 0)
		r = io_read_fd(fd, "index.json", OCI_FILE_MAX, &text, &len, e);
	for (int depth = 0; r == 0 && is_index; depth++) {
		if (depth == NESTING_MAX)
			return err_set(e, EINVAL, "index: nested too deep");
		r = oci_index(text, len, architecture, depth ? NULL : tag,
			      &blob, &is_index, e);
		if (r < 0)
			return r;
		free(steal(text));
		r = read_blob(l, &blob, &text, &len, e);
	}
	if (r == 0)
		r = oci_manifest(text, len, &l->manifest, e);
	return r;
}

int layout_open(const char *path, const char *architecture, const char *tag,
		struct layout *ret, struct err *e)
{
	AUTO(layout_close) struct layout l = { .dir = -1 };
	auto_free char *text = NULL;
	size_t len;
	int r;

	l.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.dir < 0)
		return err_sys(e, errno, "open %s", path);
	r = find_image(&l, architecture, tag, e);
	if (r == 0)
		r = read_blob(&l, &l.manifest.config, &text, &len, e);
	if (r == 0)
		r = oci_config(text, len, &l.config, e);
	if (r < 0)
		return r;
	if (l.config.n_layers != l.manifest.n_layers)
		return err_set(e, EINVAL,
			       "open %s: %u layers, but %u in the config", path,
			       l.manifest.n_layers, l.config.n_layers);
	if (architecture && strcmp(architecture, l.config.architecture) != 0)
		return err_set(e, EINVAL, "open %s: made for %s, not %s", path,
			       l.config.architecture, architecture);
	*ret = l;
	l.dir = -1;
	return 0;
}

int layout_layer(const struct layout *l, unsigned int layer, int *ret_fd,
		 struct err *e)
{
	return open_blob(l, &l->manifest.layer[layer], ret_fd, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/layer.h"

#include "cellsd/container/loop_device.h"
#include "cellsd/container/mount.h"
#include "cellsd/container/selinux.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define LAYERS_MAX 256
#define EROFS_MAGIC_AT 1024
#define EROFS_MAGIC "\xe2\xe1\xf5\xe0"

struct layer {
	char digest[ENCODING_DIGEST_SIZE];
	int fd;
	bool mounted;
};

struct layer_set {
	int dir;
	unsigned int n;
	struct layer item[LAYERS_MAX];
};

int layer_set_new(int dir, struct layer_set **ret, struct err *e)
{
	struct layer_set *l = calloc(1, sizeof(*l));

	if (!l)
		return err_oom(e, "hold layers");
	l->dir = dir;
	*ret = l;
	return 0;
}

static void release_layer(struct layer_set *l, struct layer *item)
{
	const char *name = item->digest + strlen("sha256:");

	if (item->mounted) {
		mount_detach(l->dir, name);
		unlinkat(l->dir, name, AT_REMOVEDIR);
	}
	close(item->fd);
}

void layer_set_free(struct layer_set *l)
{
	if (!l)
		return;
	for (unsigned int i = 0; i < l->n; i++)
		release_layer(l, &l->item[i]);
	free(l);
}

static struct layer *find_layer(const struct layer_set *l, const char *digest)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (strcmp(l->item[i].digest, digest) == 0)
			return (struct layer *)&l->item[i];
	return NULL;
}

bool layer_set_has(const struct layer_set *l, const char *digest)
{
	return find_layer(l, digest) != NULL;
}

/* Safe because only a plain, read-only file that says it is EROFS gets on. */
static int check_layer_file(int fd, const char *digest, struct err *e)
{
	char magic[sizeof(EROFS_MAGIC) - 1];
	uint8_t raw[32];
	struct stat st;

	if (encoding_parse_digest(digest, raw) < 0)
		return err_set(e, EINVAL, "layer '%.80s': not a digest",
			       digest);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "layer %s: not a regular file",
			       digest);
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
		return err_set(e, EINVAL, "layer %s: not open read-only",
			       digest);
	if (pread(fd, magic, sizeof(magic), EROFS_MAGIC_AT) != sizeof(magic) ||
	    memcmp(magic, EROFS_MAGIC, sizeof(magic)) != 0)
		return err_reason(e, REASON_IMAGE_DIGEST,
				  "layer %s: not an EROFS image", digest);
	return 0;
}

int layer_set_add(struct layer_set *l, const char *digest, int fd,
		  struct err *e)
{
	int r = check_layer_file(fd, digest, e);

	if (r < 0 || find_layer(l, digest))
		return r;
	if (l->n == LAYERS_MAX)
		return err_reason(e, REASON_BUSY, "hold layer %s: %d are held",
				  digest, LAYERS_MAX);
	l->item[l->n].fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (l->item[l->n].fd < 0)
		return err_sys(e, errno, "hold layer %s", digest);
	l->item[l->n].mounted = false;
	snprintf(l->item[l->n].digest, sizeof(l->item[l->n].digest), "%s",
		 digest);
	l->n++;
	return 0;
}

int layer_set_remove(struct layer_set *l, const char *digest, struct err *e)
{
	struct layer *item = find_layer(l, digest);

	if (!item)
		return err_set(e, ENOENT, "drop layer %.80s: not held", digest);
	release_layer(l, item);
	*item = l->item[--l->n];
	return 0;
}

void layer_set_each(const struct layer_set *l,
		    void (*fn)(void *arg, const char *), void *arg)
{
	for (unsigned int i = 0; i < l->n; i++)
		fn(arg, l->item[i].digest);
}

static int mount_layer_image(const struct layer *item, int *ret, struct err *e)
{
	const unsigned int attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
	struct mount_option options[] = {
		{ "source", NULL }, { "ro", NULL }, {}, {}
	};
	auto_close int loop = -1;
	char path[LOOP_DEVICE_PATH_SIZE], label[SELINUX_CONTEXT_SIZE];
	int r;

	selinux_format_store_context(label);
	if (*label)
		options[2] = (struct mount_option){ "context", label };

	/* Newer kernels read the file itself; older ones need a block device.
	 */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", item->fd);
	options[0].value = path;
	if (mount_new("erofs", options, attrs, ret, e) == 0)
		return 0;
	r = loop_device_attach(item->fd, true, path, &loop, e);
	if (r < 0)
		return r;
	return mount_new("erofs", options, attrs, ret, e);
}

static int mount_layer_once(struct layer_set *l, struct layer *item,
			    struct err *e)
{
	const char *name = item->digest + strlen("sha256:");
	auto_close int fd = -1;
	int r;

	if (item->mounted)
		return 0;
	r = mount_layer_image(item, &fd, e);
	if (r < 0)
		return r;
	if (mkdirat(l->dir, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the mount point of a layer");
	r = mount_attach(fd, l->dir, name, e);
	item->mounted = r == 0;
	return r;
}

int layer_set_clone_mount(struct layer_set *l, const char *digest, int *ret,
			  struct err *e)
{
	struct layer *item = find_layer(l, digest);
	int r;

	if (!item)
		return err_set(e, ENOENT, "layer %.80s is not held", digest);
	r = mount_layer_once(l, item, e);
	if (r < 0)
		return r;
	return mount_clone(l->dir, item->digest + strlen("sha256:"), ret, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/layer.h"

#include "cellsd/loop_device.h"
#include "cellsd/mount.h"
#include "cellsd/selinux.h"
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
	char digest[TEXT_DIGEST_SIZE];
	int fd;
	bool mounted;
};

struct layers {
	int dir;
	unsigned int n;
	struct layer item[LAYERS_MAX];
};

int layers_new(int dir, struct layers **ret, struct err *e)
{
	struct layers *l = calloc(1, sizeof(*l));

	if (!l)
		return err_oom(e, "hold layers");
	l->dir = dir;
	*ret = l;
	return 0;
}

static void forget(struct layers *l, struct layer *item)
{
	const char *name = item->digest + strlen("sha256:");

	if (item->mounted) {
		mnt_detach(l->dir, name);
		unlinkat(l->dir, name, AT_REMOVEDIR);
	}
	close(item->fd);
}

void layers_free(struct layers *l)
{
	if (!l)
		return;
	for (unsigned int i = 0; i < l->n; i++)
		forget(l, &l->item[i]);
	free(l);
}

static struct layer *find(const struct layers *l, const char *digest)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (strcmp(l->item[i].digest, digest) == 0)
			return (struct layer *)&l->item[i];
	return NULL;
}

bool layers_have(const struct layers *l, const char *digest)
{
	return find(l, digest) != NULL;
}

/* Safe because only a plain, read-only file that says it is EROFS gets on. */
static int check(int fd, const char *digest, struct err *e)
{
	char magic[sizeof(EROFS_MAGIC) - 1];
	uint8_t raw[32];
	struct stat st;

	if (text_undigest(digest, raw) < 0)
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

int layers_add(struct layers *l, const char *digest, int fd, struct err *e)
{
	int r = check(fd, digest, e);

	if (r < 0 || find(l, digest))
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

int layers_drop(struct layers *l, const char *digest, struct err *e)
{
	struct layer *item = find(l, digest);

	if (!item)
		return err_set(e, ENOENT, "drop layer %.80s: not held", digest);
	forget(l, item);
	*item = l->item[--l->n];
	return 0;
}

void layers_each(const struct layers *l, void (*fn)(void *arg, const char *),
		 void *arg)
{
	for (unsigned int i = 0; i < l->n; i++)
		fn(arg, l->item[i].digest);
}

static int mount_image(const struct layer *item, int *ret, struct err *e)
{
	const unsigned int attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
	struct mnt_option options[] = {
		{ "source", NULL }, { "ro", NULL }, {}, {}
	};
	auto_close int loop = -1;
	char path[LOOP_PATH_SIZE], label[LABEL_SIZE];
	int r;

	label_store(label);
	if (*label)
		options[2] = (struct mnt_option){ "context", label };

	/* Newer kernels read the file itself; older ones need a block device.
	 */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", item->fd);
	options[0].value = path;
	if (mnt_new("erofs", options, attrs, ret, e) == 0)
		return 0;
	r = loop_attach(item->fd, true, path, &loop, e);
	if (r < 0)
		return r;
	return mnt_new("erofs", options, attrs, ret, e);
}

static int mount_once(struct layers *l, struct layer *item, struct err *e)
{
	const char *name = item->digest + strlen("sha256:");
	auto_close int fd = -1;
	int r;

	if (item->mounted)
		return 0;
	r = mount_image(item, &fd, e);
	if (r < 0)
		return r;
	if (mkdirat(l->dir, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the mount point of a layer");
	r = mnt_attach(fd, l->dir, name, e);
	item->mounted = r == 0;
	return r;
}

int layers_clone(struct layers *l, const char *digest, int *ret, struct err *e)
{
	struct layer *item = find(l, digest);
	int r;

	if (!item)
		return err_set(e, ENOENT, "layer %.80s is not held", digest);
	r = mount_once(l, item, e);
	if (r < 0)
		return r;
	return mnt_clone(l->dir, item->digest + strlen("sha256:"), ret, e);
}

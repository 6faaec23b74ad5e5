/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/vp_secrets.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "secrets"
#define FRESH ".new"
#define DNS "resolv.conf"
#define FOLDER "cells"
#define CREATE (O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC)

static int replace_owned_file(int dir, const char *name, mode_t mode,
			      uint32_t owner, const void *data, size_t len,
			      struct err *e)
{
	auto_close int fd = -1;
	int r;

	if (unlinkat(dir, FRESH, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "write %s", name);
	fd = openat(dir, FRESH, CREATE, mode);
	if (fd < 0)
		return err_sys(e, errno, "write %s", name);
	r = io_write_all(fd, data, len);
	if (r < 0)
		return err_sys(e, -r, "write %s", name);
	if (fchown(fd, owner, owner) < 0 || fsync(fd) < 0 ||
	    renameat(dir, FRESH, dir, name) < 0)
		return err_sys(e, errno, "write %s", name);
	return 0;
}

int vp_secrets_save(int data, const void *secrets, size_t len, struct err *e)
{
	int r = replace_owned_file(data, NAME, 0400, 0, secrets, len, e);

	if (r == 0 && fsync(data) < 0)
		r = err_sys(e, errno, "keep secrets");
	return r;
}

/*
 * Safe because no link and no mount is followed: whatever the VP's root put
 * into its /run, what is opened is a folder of that very tmpfs.
 */
int vp_secrets_open_folder(int run, uint32_t base, int *ret, struct err *e)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	if (mkdirat(run, FOLDER, 0755) == 0) {
		if (fchownat(run, FOLDER, base, base, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, errno, "make /run/" FOLDER);
	} else if (errno != EEXIST) {
		return err_sys(e, errno, "make /run/" FOLDER);
	}
	*ret = (int)syscall(SYS_openat2, run, FOLDER, &how, sizeof(how));
	return *ret < 0 ? err_sys(e, errno, "open /run/" FOLDER) : 0;
}

int vp_secrets_copy_to_run(int data, int run, uint32_t base, struct err *e)
{
	auto_close int fd =
		openat(data, NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int dir = -1;
	auto_free char *text = NULL;
	size_t len = 0;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open " NAME);
	r = io_read_fd(fd, NAME, VP_SECRETS_MAX, &text, &len, e);
	if (r == 0)
		r = vp_secrets_open_folder(run, base, &dir, e);
	if (r == 0)
		r = replace_owned_file(dir, NAME, 0400, base, text, len, e);
	if (text)
		explicit_bzero(text, len);
	return r;
}

int vp_secrets_write_resolv_conf(int run, uint32_t base, uint32_t server,
				 struct err *e)
{
	auto_close int dir = -1;
	char text[64];
	int r = vp_secrets_open_folder(run, base, &dir, e);

	snprintf(text, sizeof(text), "nameserver %u.%u.%u.%u\n", server >> 24,
		 server >> 16 & 255, server >> 8 & 255, server & 255);
	return r < 0 ? r
		     : replace_owned_file(dir, DNS, 0444, base, text,
					  strlen(text), e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/mount.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The kernel explains itself in the file system context. */
static int set_mount_context_error(int context, const char *what, struct err *e)
{
	int code = errno;
	char text[256];
	ssize_t n = read(context, text, sizeof(text) - 1);

	if (n <= 2)
		return err_sys(e, code, "%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_sys(e, code, "%s (%s)", what, text + 2);
}

int mount_open_context(const char *fs, int *ret, struct err *e)
{
	*ret = fsopen(fs, FSOPEN_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "mount %s", fs) : 0;
}

int mount_create_from_context(int context, const char *fs,
			      const struct mount_option *options,
			      unsigned int attrs, int *ret, struct err *e)
{
	char what[64];
	int fd;

	snprintf(what, sizeof(what), "mount %s", fs);
	for (; options && options->key; options++) {
		unsigned int cmd = options->value ? FSCONFIG_SET_STRING
						  : FSCONFIG_SET_FLAG;

		if (fsconfig(context, cmd, options->key, options->value, 0) < 0)
			return set_mount_context_error(context, what, e);
	}
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return set_mount_context_error(context, what, e);
	fd = fsmount(context, FSMOUNT_CLOEXEC, attrs);
	if (fd < 0)
		return set_mount_context_error(context, what, e);
	*ret = fd;
	return 0;
}

int mount_new(const char *fs, const struct mount_option *options,
	      unsigned int attrs, int *ret, struct err *e)
{
	auto_close int context = -1;
	int r = mount_open_context(fs, &context, e);

	return r < 0 ? r
		     : mount_create_from_context(context, fs, options, attrs,
						 ret, e);
}

int mount_open_beneath(int dir, const char *path, uint64_t flags, int *ret,
		       struct err *e)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

	if (fd < 0)
		return err_sys(e, errno, "open /%s of the VP", path);
	*ret = fd;
	return 0;
}

/* Is the mount of that id a tmpfs, by the kernel's list for pid? */
static bool is_tmpfs_mount(pid_t pid, uint64_t id)
{
	char path[64], line[4096];
	auto_fclose FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strtoull(line, NULL, 10) == id)
			return strstr(line, " - tmpfs ");
	return false;
}

int mount_open_tmpfs(pid_t pid, int dir, const char *path, int *ret,
		     struct err *e)
{
	auto_close int fd = -1;
	struct statx st;
	int r = mount_open_beneath(dir, path, O_PATH | O_DIRECTORY | O_NOFOLLOW,
				   &fd, e);

	if (r < 0)
		return r;
	/* Asks the mount, not its file system. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
		  &st) < 0)
		return err_sys(e, errno, "look at /%s of the VP", path);
	if (!is_tmpfs_mount(pid, st.stx_mnt_id))
		return err_sys(e, EMEDIUMTYPE, "open /%s of the VP", path);
	*ret = steal_fd(fd);
	return 0;
}

int mount_clone(int dir, const char *path, int *ret, struct err *e)
{
	int fd = open_tree(dir, path,
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				   AT_SYMLINK_NOFOLLOW |
				   (*path ? 0 : AT_EMPTY_PATH));

	if (fd < 0)
		return err_sys(e, errno, "clone the mount at %s", path);
	*ret = fd;
	return 0;
}

int mount_set_flags(int mount, uint64_t attrs, const char *what, struct err *e)
{
	struct mount_attr attr = { .attr_set = attrs };

	if (mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, errno, "set the mount flags of %s", what);
	return 0;
}

int mount_set_idmap(int mount, int userns, const char *what, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns,
	};

	if (mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, errno, "id-map %s", what);
	return 0;
}

int mount_attach_at_fd(int mount, int place, const char *what, struct err *e)
{
	if (move_mount(mount, "", place, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mount on /%s", what);
	return 0;
}

int mount_attach(int mount, int dir, const char *path, struct err *e)
{
	auto_close int place = -1;
	int r = mount_open_beneath(dir, path, O_PATH | O_NOFOLLOW, &place, e);

	return r < 0 ? r : mount_attach_at_fd(mount, place, path, e);
}

void mount_detach(int dir, const char *path)
{
	auto_close int place = openat(dir, path, O_PATH | O_CLOEXEC);
	char link[64];

	if (place < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
	umount2(link, MNT_DETACH);
}

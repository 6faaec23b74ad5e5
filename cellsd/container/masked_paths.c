/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/masked_paths.h"

#include "cellsd/container/mount.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define FILE_MASK "file"
#define FOLDER_MASK "folder"
#define VIRTUAL "/sys/devices/virtual/"
#define BOOT_ID "boot_id"
#define BOOT_ID_SIZE 37 /* 36 digits and a newline */

enum mask_mode { HIDE, READ_ONLY };

/* Paths below the VP's root, in this order. */
static const struct {
	const char *path;
	enum mask_mode show;
} masks[] = {
	{ "proc/kcore", HIDE },
	{ "proc/keys", HIDE },
	{ "proc/key-users", HIDE },
	{ "proc/interrupts", HIDE },
	{ "proc/softirqs", HIDE },
	{ "proc/kpagecount", HIDE },
	{ "proc/kpageflags", HIDE },
	{ "proc/kpagecgroup", HIDE },
	{ "proc/vmallocinfo", HIDE },
	{ "proc/slabinfo", HIDE },
	{ "proc/vmstat", HIDE },
	{ "proc/zoneinfo", HIDE },
	{ "proc/buddyinfo", HIDE },
	{ "proc/pagetypeinfo", HIDE },
	{ "proc/diskstats", HIDE },
	{ "proc/partitions", HIDE },
	{ "proc/schedstat", HIDE },
	{ "proc/config.gz", HIDE },
	{ "proc/latency_stats", HIDE },
	{ "proc/timer_list", HIDE },
	{ "proc/sched_debug", HIDE },
	{ "proc/pressure", HIDE },
	{ "proc/scsi", HIDE },
	{ "proc/acpi", HIDE },
	{ "proc/kmsg", HIDE },
	{ "sys/firmware", HIDE },
	{ "sys/kernel/debug", HIDE },
	{ "sys/kernel/tracing", HIDE },
	{ "sys/kernel/security", HIDE },
	{ "sys/kernel/slab", HIDE },
	{ "sys/kernel/irq", HIDE },
	{ "sys/kernel/mm/ksm", HIDE },
	/* File systems and disks have names and counters of all VPs' data. */
	{ "sys/fs/bpf", HIDE },
	{ "sys/fs/btrfs", HIDE },
	{ "sys/fs/erofs", HIDE },
	{ "sys/fs/ext4", HIDE },
	{ "sys/fs/f2fs", HIDE },
	{ "sys/fs/pstore", HIDE },
	{ "sys/fs/selinux", HIDE },
	{ "sys/fs/xfs", HIDE },
	{ "sys/block", HIDE },
	{ "sys/class/bdi", HIDE },
	{ "sys/class/block", HIDE },
	{ "sys/dev/block", HIDE },
	{ "sys/devices/virtual/bdi", HIDE },
	{ "sys/devices/virtual/block", HIDE },
	/* How much the machine has to do, by what it warms. */
	{ "sys/devices/virtual/powercap", HIDE },
	{ "sys/devices/virtual/hwmon", HIDE },
	{ "sys/devices/virtual/thermal", HIDE },
	{ "proc/bus", READ_ONLY },
	{ "proc/fs", READ_ONLY },
	{ "proc/irq", READ_ONLY },
	{ "proc/sys", READ_ONLY },
	{ "proc/sysrq-trigger", READ_ONLY },
	{ "proc/sys/fs/aio-nr", HIDE },
	{ "proc/sys/fs/dentry-state", HIDE },
	{ "proc/sys/fs/file-nr", HIDE },
	{ "proc/sys/fs/inode-nr", HIDE },
	{ "proc/sys/fs/inode-state", HIDE },
};

/* The same, where the machine has one or more; links lead to what is meant. */
static const char *const patterns[] = {
	"/sys/block/*",
	"/sys/class/hwmon/*",
	"/sys/class/thermal/*",
	"/sys/devices/system/cpu/cpu[0-9]*/cpuidle",
	"/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle",
	"/sys/devices/system/cpu/cpufreq/policy[0-9]*/stats",
	"/sys/devices/system/node/node[0-9]*/numastat",
	"/sys/devices/system/node/node[0-9]*/vmstat",
};

/* ---- what masks are made of */

static int write_random_boot_id(int dir, struct err *e)
{
	auto_close int fd = openat(
		dir, BOOT_ID, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	uint8_t b[16];
	char text[BOOT_ID_SIZE + 1];
	int r;

	if (fd < 0 || getrandom(b, sizeof(b), 0) != sizeof(b))
		return err_sys(e, errno, "make a boot id");
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(text, sizeof(text),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x\n",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
	r = io_write_all(fd, text, BOOT_ID_SIZE);
	return r < 0 ? err_sys(e, -r, "make a boot id") : 0;
}

/*
 * The file has no rights, and belongs to nobody that the VP has: it can neither
 * be read nor watched.
 */
static int create_mask_tmpfs(int stage, const char *label, struct err *e)
{
	const struct mount_option options[] = {
		{ "mode", "0711" },
		{ "size", "64k" },
		{ *label ? "context" : NULL, label },
		{ NULL, NULL },
	};
	auto_close int fd = -1;
	int r = mount_new("tmpfs", options, ATTRS, &fd, e);

	if (r < 0)
		return r;
	if (mknodat(fd, FILE_MASK, S_IFREG, 0) < 0 ||
	    mkdirat(fd, FOLDER_MASK, 0555) < 0)
		return err_sys(e, errno, "make the VP's masks");
	r = write_random_boot_id(fd, e);
	return r < 0 ? r : mount_attach(fd, stage, MASKED_PATHS_STAGE, e);
}

static int mount_mask_over(int stage, const char *what, int place,
			   const char *path, struct err *e)
{
	auto_close int mount = -1;
	char source[64];
	int r;

	snprintf(source, sizeof(source), MASKED_PATHS_STAGE "/%s", what);
	r = mount_clone(stage, source, &mount, e);
	if (r == 0)
		r = mount_set_flags(mount, ATTRS | MOUNT_ATTR_RDONLY, path, e);
	return r < 0 ? r : mount_attach_at_fd(mount, place, path, e);
}

/* ---- one path */

/* -ENOENT: this kernel has none. */
static int open_masked_path(int root, const char *path, int *ret,
			    mode_t *ret_mode, struct err *e)
{
	auto_close int fd = -1;
	struct stat st;
	int r = mount_open_beneath(root, path, O_PATH | O_NOFOLLOW, &fd, e);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "look at /%s of the VP", path);
	*ret_mode = st.st_mode;
	*ret = steal_fd(fd);
	return 0;
}

static int hide_vp_path(int stage, int root, const char *path, struct err *e)
{
	auto_close int place = -1;
	mode_t mode;
	int r = open_masked_path(root, path, &place, &mode, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return mount_mask_over(stage, S_ISDIR(mode) ? FOLDER_MASK : FILE_MASK,
			       place, path, e);
}

static int remount_path_read_only(int root, const char *path, struct err *e)
{
	auto_close int place = -1, mount = -1;
	mode_t mode;
	int r = open_masked_path(root, path, &place, &mode, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = mount_clone(place, "", &mount, e);
	if (r == 0)
		r = mount_set_flags(mount, ATTRS | MOUNT_ATTR_RDONLY, path, e);
	return r < 0 ? r : mount_attach_at_fd(mount, place, path, e);
}

/* The VP's sysfs has the same devices at the same places as the host's. */
static int hide_matching_paths(int stage, int root, const char *pattern,
			       struct err *e)
{
	glob_t found = { 0 };
	int r = 0;

	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
		auto_free char *path = realpath(found.gl_pathv[i], NULL);

		/* It may have gone; or it is below a folder of the masks. */
		if (path && strncmp(path, "/sys/", 5) == 0 &&
		    strncmp(path, VIRTUAL, strlen(VIRTUAL)) != 0)
			r = hide_vp_path(stage, root, path + 1, e);
	}
	globfree(&found);
	return r;
}

static int mount_boot_id(int stage, int root, struct err *e)
{
	static const char path[] = "proc/sys/kernel/random/boot_id";
	auto_close int place = -1;
	mode_t mode;
	int r = open_masked_path(root, path, &place, &mode, e);

	return r < 0 ? r : mount_mask_over(stage, BOOT_ID, place, path, e);
}

int masked_paths_mount(int stage, int root, const char *label, struct err *e)
{
	int r = create_mask_tmpfs(stage, label, e);

	/* First: the places below must not be covered yet. */
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(patterns); i++)
		r = hide_matching_paths(stage, root, patterns[i], e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(masks); i++)
		r = masks[i].show == HIDE
			    ? hide_vp_path(stage, root, masks[i].path, e)
			    : remount_path_read_only(root, masks[i].path, e);
	return r < 0 ? r : mount_boot_id(stage, root, e);
}

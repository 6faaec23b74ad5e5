/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/data_image.h"

#include "cellsd/container/loop_device.h"
#include "cellsd/container/mount.h"
#include "cellsd/container/selinux.h"
#include "cellsd/container/system_tool.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define BLOCK 4096
#define SUPERBLOCK 1024 /* linux: Documentation/filesystems/ext4 */
#define LARGE (UINT64_C(1) << 30)
#define NAME_SIZE 128
#define DIRTY_MAX "33554432" /* bytes */
#define DIRTY_PERCENT "10"
#define FSCK_LEFT 4 /* and above: not all was mended */

/* Of the superblock: s_state, s_feature_incompat. */
#define STATE_AT 0x3a
#define STATE_VALID 1
#define STATE_ERROR 2
#define INCOMPAT_AT 0x60
#define INCOMPAT_RECOVER 4

/* From fs/ext4/ext4.h: linux/ has it in no header. */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

static uint64_t compute_image_size(int dir, uint64_t max)
{
	struct statvfs fs;

	if (max == 0 && fstatvfs(dir, &fs) == 0)
		max = (uint64_t)fs.f_blocks * fs.f_frsize;
	if (max < DATA_IMAGE_SIZE_MIN)
		max = DATA_IMAGE_SIZE_MIN;
	return max / BLOCK * BLOCK;
}

/* ---- making */

static int run_mkfs_ext4(int file, bool large, struct err *e)
{
	char *const argv[] = {
		"mkfs.ext4",
		"-q",
		"-F",
		"-m",
		"0",
		"-b",
		"4096",
		"-O",
		"encrypt",
		"-e",
		"remount-ro",
		"-E",
		"nodiscard,lazy_journal_init=1",
		"-J",
		large ? "size=32" : "size=4",
		SYSTEM_TOOL_FILE,
		NULL,
	};

	int r = system_tool_run(file, argv);

	if (r < 0)
		return err_sys(e, -r, "run mkfs.ext4");
	return r == 0 ? 0
		      : err_reason(e, REASON_KERNEL,
				   "run mkfs.ext4 (e2fsprogs): status %d", r);
}

int data_image_create(int dir, const char *name, uint64_t max, struct err *e)
{
	uint64_t size = compute_image_size(dir, max);
	char fresh[NAME_SIZE];
	auto_close int fd = -1;
	int r;

	snprintf(fresh, sizeof(fresh), "%s.new", name);
	fd = openat(dir, fresh, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return err_sys(e, errno, "make the vault %s", name);
	r = run_mkfs_ext4(fd, size >= LARGE, e);
	if (r < 0)
		return r;
	if (fsync(fd) < 0 ||
	    renameat2(dir, fresh, dir, name, RENAME_NOREPLACE) < 0 ||
	    fsync(dir) < 0)
		return err_sys(e, errno, "make the vault %s", name);
	return 0;
}

/* ---- mounting */

static int open_image_file(int dir, const char *name, int *ret, struct err *e)
{
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open the vault %s", name);
	*ret = fd;
	return 0;
}

static int open_image_loop(int file, char path[LOOP_DEVICE_PATH_SIZE], int *ret,
			   struct err *e)
{
	int r = loop_device_find(file, path, ret, e);

	return r == -ENOENT ? loop_device_attach(file, false, path, ret, e) : r;
}

int data_image_is_attached(int dir, const char *name, bool *ret, struct err *e)
{
	auto_close int file = -1, loop = -1;
	char path[LOOP_DEVICE_PATH_SIZE];
	int r = open_image_file(dir, name, &file, e);

	if (r == 0)
		r = loop_device_find(file, path, &loop, e);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0;
	return 0;
}

int data_image_reserve(int dir, const char *name, struct err *e)
{
	auto_close int file = -1;
	uint64_t lacking, room;
	struct statvfs fs;
	struct stat st;
	int r = open_image_file(dir, name, &file, e);

	if (r < 0)
		return r;
	if (fstat(file, &st) < 0 || fstatvfs(file, &fs) < 0)
		return err_sys(e, errno, "look at the vault %s", name);
	if (st.st_blocks * 512 >= st.st_size)
		return 0;
	/* First: an allocation that fails has taken all that there was. */
	lacking = (uint64_t)(st.st_size - st.st_blocks * 512);
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (lacking > room)
		return err_reason(
			e, REASON_STORAGE_FULL,
			"reserve storage-max: %" PRIu64
			" bytes are lacking, and the disk has %" PRIu64 " left",
			lacking, room);
	/* What is there already stays as it is. */
	if (fallocate(file, FALLOC_FL_KEEP_SIZE, 0, st.st_size) < 0 &&
	    errno != EOPNOTSUPP)
		return err_sys(e, errno, "reserve the vault %s", name);
	return 0;
}

uint64_t data_image_get_usage(int dir, const char *name, bool *ret_grows)
{
	struct stat st;

	*ret_grows = false;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	*ret_grows = st.st_blocks * 512 < st.st_size;
	return (uint64_t)st.st_blocks * 512;
}

/* ---- errors */

static int read_superblock_state(int file, uint16_t *ret_state,
				 uint32_t *ret_incompat)
{
	if (pread(file, ret_state, sizeof(*ret_state), SUPERBLOCK + STATE_AT) !=
		    sizeof(*ret_state) ||
	    pread(file, ret_incompat, sizeof(*ret_incompat),
		  SUPERBLOCK + INCOMPAT_AT) != sizeof(*ret_incompat))
		return -EIO;
	*ret_state = le16toh(*ret_state);
	*ret_incompat = le32toh(*ret_incompat);
	return 0;
}

bool data_image_has_error(int dir, const char *name)
{
	auto_close int file = -1;
	uint32_t incompat;
	uint16_t state;
	struct err none;

	return open_image_file(dir, name, &file, &none) == 0 &&
	       read_superblock_state(file, &state, &incompat) == 0 &&
	       (state & STATE_ERROR);
}

int data_image_fsck(int dir, const char *name, struct err *e)
{
	char *const argv[] = { "e2fsck", "-p", SYSTEM_TOOL_FILE, NULL };
	auto_close int file = -1;
	uint32_t incompat;
	uint16_t state;
	int r = open_image_file(dir, name, &file, e);

	if (r < 0)
		return r;
	if (read_superblock_state(file, &state, &incompat) == 0 &&
	    (state & STATE_VALID) && !(state & STATE_ERROR) &&
	    !(incompat & INCOMPAT_RECOVER))
		return 0;
	r = system_tool_run(file, argv);
	if (r < 0)
		return err_sys(e, -r, "run e2fsck");
	/* Without it the kernel replays the journal. */
	if (r < FSCK_LEFT ||
	    (r == SYSTEM_TOOL_NOT_FOUND && !(state & STATE_ERROR)))
		return 0;
	return err_reason(e, REASON_VP_STATE,
			  "its data is damaged: e2fsck -p on %s ends with %d; "
			  "mend it by hand, or wipe the VP",
			  name, r);
}

/* ---- mounting it */

static bool write_bdi_attribute(dev_t dev, const char *file, const char *value)
{
	char path[96];
	auto_close int fd = -1;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/%s", major(dev),
		 minor(dev), file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, value, strlen(value)) > 0;
}

/*
 * What waits in memory to be written is bounded for all together; who writes
 * much makes everybody wait. So each vault has a bound of its own. It also says
 * how much a VP that is held up may still bring to the disk.
 */
static void limit_dirty_pages(int loop)
{
	struct stat st;

	if (fstat(loop, &st) < 0)
		return;
	/* Since Linux 6.2; before, a part of the bound of all. */
	if (write_bdi_attribute(st.st_rdev, "max_bytes", DIRTY_MAX))
		write_bdi_attribute(st.st_rdev, "strict_limit", "1");
	else
		write_bdi_attribute(st.st_rdev, "max_ratio", DIRTY_PERCENT);
}

int data_image_mount(int dir, const char *name, bool reserved, int *ret,
		     struct err *e)
{
	char path[LOOP_DEVICE_PATH_SIZE], label[SELINUX_CONTEXT_SIZE];
	/* The file is new and reads as zeros: no thread need zero its tables.
	 */
	struct mount_option options[] = {
		{ "source", path },
		{ "noinit_itable", NULL },
		{ reserved ? "nodiscard" : "discard", NULL },
		{},
		{},
	};
	auto_close int file = -1, loop = -1;
	int r = open_image_file(dir, name, &file, e);

	selinux_format_store_context(label);
	if (*label)
		options[3] = (struct mount_option){ "context", label };
	if (r == 0)
		r = open_image_loop(file, path, &loop, e);
	if (r == 0)
		limit_dirty_pages(loop);
	if (r == 0)
		r = mount_new("ext4", options,
			      MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, ret, e);
	return r;
}

/* ---- growing */

bool data_image_exceeds_limit(int dir, const char *name, uint64_t max)
{
	struct stat st;

	return max > 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (uint64_t)st.st_size > compute_image_size(dir, max);
}

/* The file system's size, as its superblock has it (0: it cannot be read). */
static uint64_t read_superblock_blocks(int file)
{
	uint32_t low = 0, high = 0;

	if (pread(file, &low, sizeof(low), SUPERBLOCK + 0x4) != sizeof(low) ||
	    pread(file, &high, sizeof(high), SUPERBLOCK + 0x150) !=
		    sizeof(high))
		return 0;
	return (uint64_t)le32toh(high) << 32 | le32toh(low);
}

int data_image_grow(int dir, const char *name, int mount, uint64_t max,
		    struct err *e)
{
	uint64_t size = compute_image_size(dir, max), blocks = size / BLOCK;
	auto_close int file = -1, loop = -1;
	char path[LOOP_DEVICE_PATH_SIZE];
	struct stat st;
	int r = open_image_file(dir, name, &file, e);

	if (r < 0)
		return r;
	if (fstat(file, &st) < 0)
		return err_sys(e, errno, "grow the vault %s", name);
	/* It may have been cut off between the file and what is in it. */
	if ((uint64_t)st.st_size > size ||
	    read_superblock_blocks(file) == blocks)
		return 0;
	r = loop_device_find(file, path, &loop, e);
	if (r < 0)
		return r;
	if (ftruncate(file, (off_t)size) < 0 || fsync(file) < 0 ||
	    ioctl(loop, LOOP_SET_CAPACITY, 0) < 0 ||
	    ioctl(mount, EXT4_IOC_RESIZE_FS, &blocks) < 0)
		return err_sys(e, errno, "grow the vault %s", name);
	return 0;
}

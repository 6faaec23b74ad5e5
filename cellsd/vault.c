/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vault.h"

#include "cellsd/birth.h"
#include "cellsd/label.h"
#include "cellsd/loop.h"
#include "cellsd/mnt.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define BLOCK 4096
#define SUPERBLOCK 1024 /* linux: Documentation/filesystems/ext4 */
#define LARGE (UINT64_C(1) << 30)
#define NAME_SIZE 128
#define CHILD_FILE 3

/* From fs/ext4/ext4.h: linux/ has it in no header. */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

static uint64_t size_for(int dir, uint64_t max)
{
	struct statvfs fs;

	if (max == 0 && fstatvfs(dir, &fs) == 0)
		max = (uint64_t)fs.f_blocks * fs.f_frsize;
	if (max < VAULT_SIZE_MIN)
		max = VAULT_SIZE_MIN;
	return max / BLOCK * BLOCK;
}

/* ---- making */

/* Safe because it works on the file that it was given and on nothing else. */
__attribute__((noreturn)) static void make_fs(int file, bool large)
{
	static char *const no_env[] = { NULL };
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
		"-E",
		"nodiscard,lazy_journal_init=1",
		"-J",
		large ? "size=32" : "size=4",
		"/proc/self/fd/3",
		NULL,
	};

	birth_reset(3);
	if (dup2(file, CHILD_FILE) < 0)
		_exit(127);
	fcntl(CHILD_FILE, F_SETFD, 0);
	close_range(CHILD_FILE + 1, ~0U, 0);
	execve("/usr/sbin/mkfs.ext4", argv, no_env);
	execve("/sbin/mkfs.ext4", argv, no_env);
	_exit(127);
}

static int run_mkfs(int file, bool large, struct err *e)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		make_fs(file, large);
	if (pid < 0)
		return err_sys(e, errno, "run mkfs.ext4");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "run mkfs.ext4");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_reason(e, REASON_KERNEL,
				  "run mkfs.ext4 (e2fsprogs): status %d",
				  WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return 0;
}

int vault_make(int dir, const char *name, uint64_t max, struct err *e)
{
	uint64_t size = size_for(dir, max);
	char fresh[NAME_SIZE];
	auto_close int fd = -1;
	int r;

	snprintf(fresh, sizeof(fresh), "%s.new", name);
	fd = openat(dir, fresh, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return err_sys(e, errno, "make the vault %s", name);
	r = run_mkfs(fd, size >= LARGE, e);
	if (r < 0)
		return r;
	if (fsync(fd) < 0 ||
	    renameat2(dir, fresh, dir, name, RENAME_NOREPLACE) < 0 ||
	    fsync(dir) < 0)
		return err_sys(e, errno, "make the vault %s", name);
	return 0;
}

/* ---- mounting */

static int open_vault(int dir, const char *name, int *ret, struct err *e)
{
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open the vault %s", name);
	*ret = fd;
	return 0;
}

static int open_loop(int file, char path[LOOP_PATH_SIZE], int *ret,
		     struct err *e)
{
	int r = loop_find(file, path, ret, e);

	return r == -ENOENT ? loop_attach(file, false, path, ret, e) : r;
}

int vault_is_attached(int dir, const char *name, bool *ret, struct err *e)
{
	auto_close int file = -1, loop = -1;
	char path[LOOP_PATH_SIZE];
	int r = open_vault(dir, name, &file, e);

	if (r == 0)
		r = loop_find(file, path, &loop, e);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0;
	return 0;
}

int vault_mount(int dir, const char *name, int *ret, struct err *e)
{
	char path[LOOP_PATH_SIZE], label[LABEL_SIZE];
	/* The file is new and reads as zeros: no thread need zero its tables.
	 */
	struct mnt_option options[] = {
		{ "source", path },
		{ "noinit_itable", NULL },
		{ "discard", NULL },
		{},
		{},
	};
	auto_close int file = -1, loop = -1;
	int r = open_vault(dir, name, &file, e);

	label_store(label);
	if (*label)
		options[3] = (struct mnt_option){ "context", label };
	if (r == 0)
		r = open_loop(file, path, &loop, e);
	if (r == 0)
		r = mnt_new("ext4", options,
			    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, ret, e);
	return r;
}

/* ---- growing */

bool vault_exceeds(int dir, const char *name, uint64_t max)
{
	struct stat st;

	return max > 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (uint64_t)st.st_size > size_for(dir, max);
}

/* The file system's size, as its superblock tells (0: it cannot be read). */
static uint64_t blocks_of(int file)
{
	uint32_t low = 0, high = 0;

	if (pread(file, &low, sizeof(low), SUPERBLOCK + 0x4) != sizeof(low) ||
	    pread(file, &high, sizeof(high), SUPERBLOCK + 0x150) !=
		    sizeof(high))
		return 0;
	return (uint64_t)le32toh(high) << 32 | le32toh(low);
}

int vault_grow(int dir, const char *name, int mount, uint64_t max,
	       struct err *e)
{
	uint64_t size = size_for(dir, max), blocks = size / BLOCK;
	auto_close int file = -1, loop = -1;
	char path[LOOP_PATH_SIZE];
	struct stat st;
	int r = open_vault(dir, name, &file, e);

	if (r < 0)
		return r;
	if (fstat(file, &st) < 0)
		return err_sys(e, errno, "grow the vault %s", name);
	/* It may have been cut off between the file and what is in it. */
	if ((uint64_t)st.st_size > size || blocks_of(file) == blocks)
		return 0;
	r = loop_find(file, path, &loop, e);
	if (r < 0)
		return r;
	if (ftruncate(file, (off_t)size) < 0 || fsync(file) < 0 ||
	    ioctl(loop, LOOP_SET_CAPACITY, 0) < 0 ||
	    ioctl(mount, EXT4_IOC_RESIZE_FS, &blocks) < 0)
		return err_sys(e, errno, "grow the vault %s", name);
	return 0;
}

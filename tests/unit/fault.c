/* SPDX-License-Identifier: Apache-2.0 */
/* The wrapped system calls of FAULT_WRAP: one of them fails, as fault_at()
 * says. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	unsigned int countdown;
	bool stays, fired;
} fault;

void fault_at(unsigned int n)
{
	fault.countdown = n;
	fault.stays = fault.fired = false;
}

void fault_from(unsigned int n)
{
	fault_at(n);
	fault.stays = true;
}

bool fault_fired(void)
{
	return fault.fired;
}

static bool now(void)
{
	if (fault.countdown == 0 || --fault.countdown > 0)
		return false;
	fault.countdown = fault.stays;
	fault.fired = true;
	errno = EIO;
	return true;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	return now() ? -1 : __real_fsync(fd);
}

int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to,
		     unsigned int flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to,
		     unsigned int flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to,
		     unsigned int flags)
{
	return now() ? -1 : __real_renameat2(from_dir, from, to_dir, to, flags);
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	return now() ? -1 : __real_write(fd, data, len);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	return now() ? -1 : __real_fdatasync(fd);
}

ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
	return now() ? -1 : __real_pwrite(fd, data, len, at);
}

int __real_faccessat(int dir, const char *name, int mode, int flags);
int __wrap_faccessat(int dir, const char *name, int mode, int flags);
int __wrap_faccessat(int dir, const char *name, int mode, int flags)
{
	return now() ? -1 : __real_faccessat(dir, name, mode, flags);
}

int __real_ftruncate(int fd, off_t len);
int __wrap_ftruncate(int fd, off_t len);
int __wrap_ftruncate(int fd, off_t len)
{
	return now() ? -1 : __real_ftruncate(fd, len);
}

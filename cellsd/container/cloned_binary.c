/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/cloned_binary.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SELF "/proc/self/exe"
#define NAME "cellsd"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Since Linux 6.3; older kernels do not know it, and need no such word. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static bool is_sealed_copy(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int create_exec_memfd(void)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(NAME, flags | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create(NAME, flags) : fd;
}

static int copy_and_seal(int from, int to)
{
	struct stat st;
	off_t done = 0;

	if (fstat(from, &st) < 0)
		return -errno;
	while (done < st.st_size) {
		ssize_t n =
			sendfile(to, from, NULL, (size_t)(st.st_size - done));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += n;
	}
	return fchmod(to, 0500) < 0 || fcntl(to, F_ADD_SEALS, SEALS) < 0
		       ? -errno
		       : 0;
}

int cloned_binary_ensure(char **argv, struct err *e)
{
	auto_close int self = open(SELF, O_RDONLY | O_CLOEXEC), fd = -1;
	int r;

	if (self < 0)
		return err_sys(e, errno, "open " SELF);
	if (is_sealed_copy(self)) {
		/* Else it is called by the number of a descriptor. */
		prctl(PR_SET_NAME, NAME, 0, 0, 0);
		return 0;
	}
	fd = create_exec_memfd();
	r = fd < 0 ? -errno : copy_and_seal(self, fd);
	if (r == 0 &&
	    syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH) < 0)
		r = -errno;
	return err_sys(e, -r, "run a copy of " SELF " in memory");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/secure_memory.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

int secure_memory_new(struct secure_memory **ret, struct err *e)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	struct secure_memory *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, flags, -1, 0);

	if (s == MAP_FAILED)
		return err_sys(e, errno, "make room for a key");
	if (mlock(s, sizeof(*s)) < 0 ||
	    madvise(s, sizeof(*s), MADV_DONTDUMP) < 0 ||
	    madvise(s, sizeof(*s), MADV_WIPEONFORK) < 0) {
		int code = errno;

		munmap(s, sizeof(*s));
		return err_sys(e, code, "lock a key into memory");
	}
	*ret = s;
	return 0;
}

void secure_memory_free(struct secure_memory *s)
{
	if (!s)
		return;
	explicit_bzero(s, sizeof(*s));
	munmap(s, sizeof(*s));
}

int secure_memory_create_memfd(const void *data, size_t len)
{
	auto_close int fd =
		memfd_create("passcode", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (io_write_all(fd, data, len) < 0 ||
	    fcntl(fd, F_ADD_SEALS,
		  F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -EIO;
	return steal_fd(fd);
}

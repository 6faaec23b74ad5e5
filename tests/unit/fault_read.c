/* SPDX-License-Identifier: Apache-2.0 */
/* pread64() of the whole process, the shared libraries' as well. No <unistd.h>,
 * whose pread64() may be an inline one. */
#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "tests/unit/unit.h"

static struct {
	unsigned int countdown;
	bool fired;
} fault;

void fault_read_at(unsigned int n)
{
	fault.countdown = n;
	fault.fired = false;
}

bool fault_read_fired(void)
{
	return fault.fired;
}

long syscall(long number, ...);
__attribute__((visibility("default"))) ssize_t pread64(int fd, void *data,
						       size_t len, off_t at);
ssize_t pread64(int fd, void *data, size_t len, off_t at)
{
	if (fault.countdown > 0 && --fault.countdown == 0) {
		fault.fired = true;
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, data, len, at);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/process_comm.h"

#include "lib/auto.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void process_comm_read(int proc, char *ret, size_t size)
{
	auto_close int fd = openat(proc, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stays inside a driver's read: into memory that this program says it will fill
 * in and never does, so that only being killed ends it.
 *   stall NODE
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#define LEN 4096

int main(int argc, char **argv)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC), fd;
	void *at;

	if (faults < 0) {
		perror("stall");
		return 1;
	}
	fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	at = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (unsigned long)at;
	range.range.len = LEN;
	if (fd < 0 || at == MAP_FAILED || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &range)) {
		perror("stall");
		return 1;
	}
	puts("reading");
	fflush(stdout);
	return read(fd, at, LEN) < 0;
}

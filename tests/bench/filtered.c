/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program under the system call filters of VPs, and nothing else. */
#include "cellsd/syscalls.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int enter(const struct sock_fprog *p)
{
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, p);
}

int main(int argc, char **argv)
{
	AUTO(syscalls_fini) struct syscalls s = { 0 };
	struct err e;

	if (argc < 2)
		return 64;
	if (syscalls_new(&s, &e) < 0) {
		fprintf(stderr, "filtered: %s\n", e.text);
		return EXIT_FAILURE;
	}
	if (enter(&s.arguments) < 0 || enter(&s.calls) < 0) {
		perror("filtered");
		return EXIT_FAILURE;
	}
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return EXIT_FAILURE;
}

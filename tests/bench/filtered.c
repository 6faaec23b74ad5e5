/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program under the system call filters of VPs, and nothing else; with
 * --least under a filter of one instruction that allows all, which is what any
 * filter costs at least: the kernel leaves its fast path for it.
 */
#include "cellsd/container/seccomp.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int enter(const struct sock_fprog *p)
{
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, p);
}

static int enter_least(void)
{
	struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K,
						SECCOMP_RET_ALLOW) };
	const struct sock_fprog p = { 1, allow };

	return enter(&p);
}

static int enter_ours(void)
{
	AUTO(seccomp_filters_fini) struct seccomp_filters s = { 0 };
	struct err e;

	if (seccomp_filters_new(&s, &e) < 0) {
		fprintf(stderr, "filtered: %s\n", e.text);
		return -1;
	}
	return enter(&s.arguments) < 0 ? -1 : enter(&s.calls);
}

int main(int argc, char **argv)
{
	int first = argc > 1 && strcmp(argv[1], "--least") == 0 ? 2 : 1;

	if (argc <= first)
		return 64;
	if ((first == 2 ? enter_least() : enter_ours()) < 0) {
		perror("filtered");
		return EXIT_FAILURE;
	}
	execv(argv[first], argv + first);
	perror(argv[first]);
	return EXIT_FAILURE;
}

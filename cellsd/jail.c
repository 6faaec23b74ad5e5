/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/jail.h"

#include "cellsd/syscalls.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct jail {
	struct sock_fprog program;
};

/*
 * All of them hold inside the VP's user namespace only. SYS_ADMIN is among them
 * because an init mounts file systems of its own namespace.
 */
static const uint64_t allowed_caps =
	1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE |
	1ULL << CAP_DAC_READ_SEARCH | 1ULL << CAP_FOWNER | 1ULL << CAP_FSETID |
	1ULL << CAP_KILL | 1ULL << CAP_SETGID | 1ULL << CAP_SETUID |
	1ULL << CAP_SETPCAP | 1ULL << CAP_NET_BIND_SERVICE |
	1ULL << CAP_NET_BROADCAST | 1ULL << CAP_NET_ADMIN |
	1ULL << CAP_NET_RAW | 1ULL << CAP_IPC_LOCK | 1ULL << CAP_IPC_OWNER |
	1ULL << CAP_SYS_CHROOT | 1ULL << CAP_SYS_PTRACE |
	1ULL << CAP_SYS_ADMIN | 1ULL << CAP_SYS_NICE |
	1ULL << CAP_SYS_RESOURCE | 1ULL << CAP_SYS_TTY_CONFIG |
	1ULL << CAP_LEASE | 1ULL << CAP_AUDIT_WRITE | 1ULL << CAP_SETFCAP;

int jail_new(struct jail **ret, struct err *e)
{
	AUTO(jail_freep) struct jail *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return err_oom(e, "make the system call filter");
	r = syscalls_filter(&j->program, e);
	if (r < 0)
		return r;
	*ret = steal(j);
	return 0;
}

void jail_free(struct jail *j)
{
	if (!j)
		return;
	free(j->program.filter);
	free(j);
}

int jail_enter(const struct jail *j)
{
	/* Last capability that the kernel knows: the first that is refused. */
	for (int cap = 0; cap < 64; cap++) {
		if (allowed_caps >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			break;
		return -errno;
	}
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &j->program) < 0)
		return -errno;
	return 0;
}

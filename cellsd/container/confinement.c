/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/confinement.h"

#include "cellsd/container/seccomp.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct confinement {
	struct seccomp_filters filters;
};

/* All of them hold inside the VP's user namespace only. */
static const struct {
	int cap;
	const char *reason;
} allowed[] = {
	{ CAP_CHOWN, "files of its own ids" },
	{ CAP_DAC_OVERRIDE, "files of its own ids" },
	{ CAP_DAC_READ_SEARCH, "files of its own ids" },
	{ CAP_FOWNER, "files of its own ids" },
	{ CAP_FSETID, "files of its own ids" },
	{ CAP_SETFCAP, "programs with capabilities in its own tree" },
	{ CAP_LEASE, "files of its own ids" },
	{ CAP_KILL, "signals in its pid namespace" },
	{ CAP_SYS_NICE, "affinity and order of its own processes" },
	{ CAP_SYS_PTRACE, "debugging its own processes" },
	{ CAP_SETUID, "su, login, services under their users" },
	{ CAP_SETGID, "su, login, services under their users" },
	{ CAP_SETPCAP, "services that give rights up" },
	{ CAP_SYS_CHROOT, "services that lock themselves in" },
	{ CAP_SYS_ADMIN, "an init mounts in its own namespace" },
	{ CAP_SYS_RESOURCE, "limits up to the VP's own" },
	{ CAP_SYS_TTY_CONFIG, "hanging up its own terminals" },
	{ CAP_NET_BIND_SERVICE, "its own network namespace" },
	{ CAP_NET_BROADCAST, "its own network namespace" },
	{ CAP_NET_ADMIN, "its own network namespace" },
	{ CAP_NET_RAW, "its own network namespace" },
	{ CAP_IPC_LOCK, "memory up to the VP's limit" },
	{ CAP_IPC_OWNER, "its own ipc namespace" },
	{ CAP_AUDIT_WRITE, "login writes audit records, which go nowhere" },
};

static bool is_allowed_capability(int cap)
{
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (allowed[i].cap == cap)
			return true;
	return false;
}

int confinement_new(struct confinement **ret, struct err *e)
{
	AUTO(confinement_freep) struct confinement *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return err_oom(e, "make the system call filter");
	r = seccomp_filters_new(&j->filters, e);
	if (r < 0)
		return r;
	*ret = steal(j);
	return 0;
}

void confinement_free(struct confinement *j)
{
	if (!j)
		return;
	seccomp_filters_fini(&j->filters);
	free(j);
}

static int install_seccomp_filter(const struct sock_fprog *p)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, p) < 0 ? -errno
								       : 0;
}

int confinement_enter(const struct confinement *j, bool no_new_privs)
{
	int r;

	/* Last capability that the kernel knows: the first that is refused. */
	for (int cap = 0; cap < 64; cap++) {
		if (is_allowed_capability(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			break;
		return -errno;
	}
	/* Key rings are inherited: the daemon's session is not the VP's. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
	    errno != ENOSYS)
		return -errno;
	if (no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* The one that is still allowed when the other holds comes last. */
	r = install_seccomp_filter(&j->filters.sockets);
	/* Of two that refuse, the later one says how. */
	if (r == 0)
		r = install_seccomp_filter(&j->filters.arguments);
	return r < 0 ? r : install_seccomp_filter(&j->filters.calls);
}

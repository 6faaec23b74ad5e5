/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/exec.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/container/confinement.h"
#include "cellsd/container/init_process.h"
#include "cellsd/container/pidns.h"
#include "cellsd/container/selinux.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EXIT_CANNOT 126
#define EXIT_NOT_FOUND 127
#define KEEP 3
#define INIT_FD 3
#define BELOW_TRIES 8

static int install_stdio_files(const struct exec_plan *p)
{
	int fd[4] = { p->fd[0], p->fd[1], p->fd[2], p->init };

	/* Out of the way first, so that none is overwritten before its turn. */
	for (int i = 0; i < 4; i++) {
		fd[i] = fcntl(fd[i], F_DUPFD, 16);
		if (fd[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 4; i++)
		if (dup2(fd[i], i) < 0)
			return -errno;
	return close_range(INIT_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

/*
 * Safe because until setns(2) took the user namespace nothing of the VP can
 * look into this process: it is not dumpable, and belongs to the initial
 * namespace; afterwards it holds no descriptor of the daemon.
 */
static int enter_vp_namespaces(const struct exec_plan *p)
{
	int r;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	r = install_stdio_files(p);
	if (r < 0)
		return r;
	if (setns(INIT_FD, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC |
				   CLONE_NEWUTS | CLONE_NEWNET |
				   CLONE_NEWCGROUP) < 0)
		return -errno;
	close(INIT_FD);
	if (setsid() < 0 || setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0 || chdir("/") < 0)
		return -errno;
	r = selinux_set_exec_context(p->label);
	return r < 0 ? r : confinement_enter(p->confinement, p->no_new_privs);
}

__attribute__((noreturn)) static void run_exec_child(const struct exec_plan *p)
{
	static char *const env[] = {
		(char *)"container=cells",
		(char *)"TERM=linux",
		(char *)"HOME=/root",
		(char *)INIT_PROCESS_PATH,
		NULL,
	};
	int r, code = EXIT_CANNOT;

	init_process_reset_inherited(KEEP);
	r = enter_vp_namespaces(p);
	if (r == 0) {
		execvpe(p->argv[0], p->argv, env);
		r = -errno;
		code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT;
	}
	dprintf(STDERR_FILENO, "cells: run %s: %s\n", p->argv[0], strerror(-r));
	_exit(code);
}

/* The pid, or -1 and errno. */
static long clone_into_cgroup(const struct exec_plan *p, int cgroup,
			      int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		run_exec_child(p);
	return pid;
}

/*
 * A cgroup that has controllers for its children takes no process itself, and
 * systemd gives its own some: then the program gets one beside systemd's. One
 * that the VP has made unfit is passed over.
 */
static long clone_into_child_cgroup(const struct exec_plan *p, int *ret_pidfd)
{
	char name[32];

	for (int i = 0; i < BELOW_TRIES; i++) {
		auto_close int below = -1;
		struct err why;
		long pid = -1;

		snprintf(name, sizeof(name), "cells-exec-%d", i);
		errno = -cgroup_open_child(p->cgroup, name, &below, &why);
		if (below >= 0)
			pid = clone_into_cgroup(p, below, ret_pidfd);
		if (pid > 0 || (errno != EBUSY && errno != EOPNOTSUPP))
			return pid;
	}
	return -1;
}

int exec_start(const struct exec_plan *p, int *ret, struct err *e)
{
	int pidfd = -1, code, own, r;
	long pid;

	r = pidns_enter(p->init, &own, e);
	if (r < 0)
		return r;
	pid = clone_into_cgroup(p, p->cgroup, &pidfd);
	if (pid < 0 && errno == EBUSY)
		pid = clone_into_child_cgroup(p, &pidfd);
	code = errno;
	pidns_leave(own);
	if (pid < 0)
		return err_sys(e, code, "clone into the VP");
	*ret = pidfd;
	return 0;
}

int exec_get_exit_code(int pidfd)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		return EXIT_CANNOT;
	return info.si_code == CLD_EXITED ? info.si_status
					  : 128 + info.si_status;
}

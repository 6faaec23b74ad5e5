/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/init_process.h"

#include "cellsd/container/confinement.h"
#include "cellsd/container/ksm.h"
#include "cellsd/container/selinux.h"
#include "cellsd/net/veth.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ANSWER_TIMEOUT_MS 10000
#define USER_LIMITS "/proc/sys/user/"

/* The child's steps, by name: what it reports is a step and an errno. */
#define STEPS(X)                                                               \
	X(IDS, "take its ids")                                                 \
	X(NAMESPACES, "bound its namespaces")                                  \
	X(NETWORK, "bring up its network")                                     \
	X(HOSTNAME, "set its host name")                                       \
	X(TREE, "wait for its tree")                                           \
	X(UNSHARE, "make its mount namespace")                                 \
	X(ROOT, "enter its root")                                              \
	X(CONSOLE, "open its console")                                         \
	X(LABEL, "take its SELinux context")                                   \
	X(JAIL, "give up rights")                                              \
	X(WAIT, "wait to be let go")                                           \
	X(EXEC, "run its init")
enum child_step {
#define STEP_SYMBOL(s, w) STEP_##s,
	STEPS(STEP_SYMBOL)
#undef STEP_SYMBOL
		STEP_COUNT,
};

static const char *const step_names[STEP_COUNT] = {
#define STEP_NAME(s, w) [STEP_##s] = w,
	STEPS(STEP_NAME)
#undef STEP_NAME
};

struct step_report {
	int step, code;
};

/* The child's ends of its pipes. */
struct child_pipes {
	int go, status;
};

/*
 * The daemon is the last that the kernel ends when memory runs out; programs of
 * VPs are not, and may not make themselves so.
 */
static int reset_oom_score(const char *pid)
{
	char path[64];
	auto_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%s/oom_score_adj", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* No right to lower it: then it was not set either. */
	return write(fd, "0", 1) < 0 && errno != EACCES ? -errno : 0;
}

void init_process_reset_inherited(int keep_below)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	umask(022);
	reset_oom_score("self");
	close_range((unsigned int)keep_below, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int become_namespace_root(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0)
		return -errno;
	return 0;
}

/*
 * A process in a user namespace of its own has every capability again, over
 * namespaces that it makes: more of the kernel to attack, for nothing that a VP
 * needs. Of the others a service manager makes some; no cgroup counts them. The
 * files depend on the user namespace of who opens them, and below, in the VP,
 * they are read-only.
 */
static const struct {
	const char *file, *max;
} namespace_limits[] = {
	{ USER_LIMITS "max_user_namespaces", "0" },
	{ USER_LIMITS "max_cgroup_namespaces", "256" },
	{ USER_LIMITS "max_ipc_namespaces", "256" },
	{ USER_LIMITS "max_mnt_namespaces", "512" },
	{ USER_LIMITS "max_net_namespaces", "32" },
	{ USER_LIMITS "max_pid_namespaces", "64" },
	{ USER_LIMITS "max_time_namespaces", "32" },
	{ USER_LIMITS "max_uts_namespaces", "256" },
};

static int limit_namespaces(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespace_limits); i++) {
		auto_close int fd =
			open(namespace_limits[i].file, O_WRONLY | O_CLOEXEC);
		const char *max = namespace_limits[i].max;

		/* This kernel has no such namespaces. */
		if (fd < 0 && errno == ENOENT && i > 0)
			continue;
		if (fd < 0 || write(fd, max, strlen(max)) < 0)
			return -errno;
	}
	return 0;
}

/*
 * Safe because the tree was copied into this less privileged namespace: its
 * flags and masks are locked, and nothing of the host stays mounted behind it.
 */
static int pivot_into_root(void)
{
	if (mount("root", "root", NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    chdir("root") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	/* An init that manages cgroups finds its own here; others need none. */
	if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 &&
	    errno != ENOENT && errno != EPERM && errno != EBUSY)
		return -errno;
	return 0;
}

static int open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0 || setsid() < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		if (fd != i && dup2(fd, i) < 0)
			return -errno;
	if (fd > 2)
		close(fd);
	return 0;
}

/* End of file: the parent gave up, or is no more. */
static int wait_for_parent(const struct child_pipes *g)
{
	char byte;

	return read(g->go, &byte, 1) == 1 ? 0 : -ECANCELED;
}

/*
 * It may be for long: from the system call filter, over its own tree, with no
 * file of the daemon's, it holds nothing of any other VP.
 */
static int report_ready_and_wait(const struct child_pipes *g)
{
	const struct step_report here = { .step = STEP_WAIT };

	return write(g->status, &here, sizeof(here)) < 0 ? -errno
							 : wait_for_parent(g);
}

static int run_child_step(const struct init_process_plan *p,
			  const struct child_pipes *g, enum child_step step)
{
	char *argv[] = { (char *)p->init, NULL };
	char *env[] = { "container=cells", "TERM=linux", "HOME=/",
			INIT_PROCESS_PATH, NULL };

	switch (step) {
	case STEP_IDS:
		return become_namespace_root();
	case STEP_NAMESPACES:
		return limit_namespaces();
	case STEP_NETWORK:
		return veth_configure_inside(p->address);
	case STEP_HOSTNAME:
		return sethostname(p->name, strlen(p->name)) < 0 ? -errno : 0;
	case STEP_TREE:
		return wait_for_parent(g);
	case STEP_UNSHARE:
		return unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0 ? -errno : 0;
	case STEP_ROOT:
		return pivot_into_root();
	case STEP_CONSOLE:
		return open_console();
	case STEP_LABEL:
		return selinux_set_exec_context(p->label);
	case STEP_JAIL:
		return confinement_enter(p->confinement, p->no_new_privs);
	case STEP_WAIT:
		return report_ready_and_wait(g);
	case STEP_EXEC:
		/* Not before: until now its memory is the daemon's. */
		if (p->merge)
			ksm_enable_process();
		execve(p->init, argv, env);
		return -errno;
	case STEP_COUNT:
		break;
	}
	return -EINVAL;
}

/* All but the gate: what the daemon holds open of other VPs keeps their data
 * in use. */
static void close_inherited_fds(const struct child_pipes *g)
{
	unsigned int low =
		(unsigned int)(g->go < g->status ? g->go : g->status);
	unsigned int high =
		(unsigned int)(g->go < g->status ? g->status : g->go);

	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

__attribute__((noreturn)) static void
run_init_child(const struct init_process_plan *p, const struct child_pipes *g)
{
	struct step_report report = { 0 };

	init_process_reset_inherited(3);
	close_inherited_fds(g);
	if (wait_for_parent(g) < 0)
		_exit(1);
	for (; report.step < STEP_COUNT && report.code == 0; report.step++)
		report.code =
			run_child_step(p, g, (enum child_step)report.step);
	report.step--;
	if (write(g->status, &report, sizeof(report)) < 0)
		_exit(2);
	_exit(1);
}

static int write_id_map(pid_t pid, const char *file, uint32_t base,
			struct err *e)
{
	char path[64], text[64];
	auto_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	snprintf(text, sizeof(text), "0 %u %d\n", base, INIT_PROCESS_IDS);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "write %s", path);
	return 0;
}

static int map_namespace_ids(struct init_process *b, uint32_t base,
			     struct err *e)
{
	char path[64];
	int r = write_id_map(b->pid, "uid_map", base, e);

	if (r == 0)
		r = write_id_map(b->pid, "gid_map", base, e);
	if (r < 0)
		return r;
	/* By us, so that it is also the least that the VP can set. */
	snprintf(path, sizeof(path), "%d", (int)b->pid);
	r = reset_oom_score(path);
	if (r < 0)
		return err_sys(e, -r, "reset the oom score of %s", path);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)b->pid);
	b->userns = open(path, O_RDONLY | O_CLOEXEC);
	if (b->userns < 0)
		return err_sys(e, errno, "open %s", path);
	return 0;
}

static int set_effective_uid(uid_t uid)
{
	return (int)syscall(SYS_setresuid, -1, uid, -1);
}

/*
 * What a VP uses of inotify, of message queues, of signals, timers and
 * namespaces is also counted for the owner of its user namespace. With root as
 * that all VPs and the host would have one share together, so the VP's own
 * range owns it. Safe because capabilities stay (rootfs_create_stage()), and
 * nobody in the initial namespace has that id.
 */
static pid_t clone_as_vp_owner(struct clone_args *args,
			       const struct init_process_plan *p,
			       const struct child_pipes *g)
{
	pid_t pid;
	int code;

	if (set_effective_uid(p->base) < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone3, args, sizeof(*args));
	if (pid == 0)
		run_init_child(p, g);
	code = errno;
	if (set_effective_uid(0) < 0) {
		log_error("leave a VP's id: %s", strerror(errno));
		abort();
	}
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	errno = code;
	return pid;
}

int init_process_clone(const struct init_process_plan *p,
		       struct init_process *ret, struct err *e)
{
	AUTO(init_process_fini) struct init_process b = INIT_PROCESS_NONE;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
			 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD |
			 CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)&b.pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)p->cgroup,
	};
	int go[2], status[2], r;

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(e, errno, "start VP %s", p->name);
	b.go = go[1];
	if (pipe2(status, O_CLOEXEC) < 0) {
		close(go[0]);
		return err_sys(e, errno, "start VP %s", p->name);
	}
	b.status = status[0];
	b.pid = clone_as_vp_owner(&args, p,
				  &(struct child_pipes){ go[0], status[1] });
	r = errno;
	close(go[0]);
	close(status[1]);
	if (b.pid < 0)
		return err_sys(e, r, "clone the init of VP %s", p->name);
	r = map_namespace_ids(&b, p->base, e);
	if (r < 0)
		return r;
	*ret = b;
	b = (struct init_process)INIT_PROCESS_NONE;
	return 0;
}

static void close_descriptor(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int send_continue_byte(const struct init_process *b, struct err *e)
{
	return write(b->go, "g", 1) == 1
		       ? 0
		       : err_sys(e, errno, "let the VP's first process go on");
}

/* Hears what came of the words; *ret_len 0: the pipe is closed. */
static int read_child_report(const struct init_process *b, size_t *ret_len,
			     struct err *e)
{
	struct pollfd p = { .fd = b->status, .events = POLLIN };
	struct step_report report = { 0 };
	ssize_t n;

	if (poll(&p, 1, ANSWER_TIMEOUT_MS) <= 0)
		return err_set(e, ETIMEDOUT,
			       "the VP's first process: no answer in time");
	n = read(b->status, &report, sizeof(report));
	if (n < 0)
		return err_sys(e, errno, "read from the VP's first process");
	if (n == sizeof(report) && report.code < 0 && report.step >= 0 &&
	    report.step < STEP_COUNT)
		return err_sys(e, -report.code, "the VP's first process: %s",
			       step_names[report.step]);
	*ret_len = (size_t)n;
	return 0;
}

void init_process_continue(const struct init_process *b)
{
	struct err cause; /* of what the child reports */

	send_continue_byte(b, &cause);
}

int init_process_wait_ready(struct init_process *b, struct err *e)
{
	size_t n;
	int r = read_child_report(b, &n, e);

	if (r < 0)
		return r;
	close_descriptor(&b->userns);
	return n == 0 ? err_set(e, ESRCH,
				"the VP's first process: it was ended")
		      : 0;
}

int init_process_explain_failure(struct init_process *b, int r, struct err *e)
{
	struct pollfd p = { .fd = b->status, .events = POLLIN };
	struct err own;
	size_t n;
	int said = poll(&p, 1, 0) == 1 ? read_child_report(b, &n, &own) : 0;

	if (said >= 0)
		return r;
	*e = own;
	return said;
}

bool init_process_is_waiting(const struct init_process *b)
{
	struct pollfd p = { .fd = b->pidfd, .events = POLLIN };

	return b->go >= 0 && poll(&p, 1, 0) == 0;
}

int init_process_run_init(struct init_process *b, struct err *e)
{
	size_t n;
	int r = send_continue_byte(b, e);

	if (r == 0)
		r = read_child_report(b, &n, e);
	if (r < 0)
		return r;
	/* It runs: from here on it lives without us. */
	close_descriptor(&b->go);
	close_descriptor(&b->status);
	return 0;
}

void init_process_fini(struct init_process *b)
{
	siginfo_t info;

	close_descriptor(&b->go);
	close_descriptor(&b->status);
	close_descriptor(&b->userns);
	/* Safe because a child that was not reaped keeps its pidfd its own. */
	if (b->pidfd >= 0 && b->pid > 0) {
		syscall(SYS_pidfd_send_signal, b->pidfd, SIGKILL, NULL, 0);
		waitid(P_PIDFD, (id_t)b->pidfd, &info, WEXITED);
	}
	close_descriptor(&b->pidfd);
}

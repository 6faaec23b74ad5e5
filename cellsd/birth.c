/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/birth.h"

#include "cellsd/jail.h"
#include "cellsd/label.h"
#include "cellsd/merge.h"
#include "cellsd/veth.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

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
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EXEC_TIMEOUT_MS 10000
#define NESTING "/proc/sys/user/max_user_namespaces"

/* The child's steps, by name: what it reports is a step and an errno. */
#define STEPS(X)                                                               \
	X(IDS, "take its ids")                                                 \
	X(NESTING, "bar user namespaces below its own")                        \
	X(UNSHARE, "make its mount namespace")                                 \
	X(ROOT, "enter its root")                                              \
	X(NETWORK, "bring up its network")                                     \
	X(HOSTNAME, "set its host name")                                       \
	X(CONSOLE, "open its console")                                         \
	X(LABEL, "take its SELinux context")                                   \
	X(JAIL, "give up rights") X(EXEC, "run its init")
enum step {
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

struct report {
	int step, code;
};

/*
 * The daemon is the last that the kernel ends when memory runs out; programs of
 * VPs are not, and may not make themselves so.
 */
static void oom_reset(const char *pid)
{
	char path[64];
	auto_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%s/oom_score_adj", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		return; /* no right to: then it was not set either */
}

void birth_reset(int keep_below)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	umask(022);
	oom_reset("self");
	close_range((unsigned int)keep_below, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int take_ids(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0)
		return -errno;
	return 0;
}

/*
 * A process in a user namespace of its own has every capability again, over
 * namespaces that it makes: more of the kernel to attack, for nothing that a VP
 * needs. The file tells of the user namespace of who opens it, and below, in
 * the VP, it is read-only.
 */
static int bar_nesting(void)
{
	auto_close int fd = open(NESTING, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "0", 1) < 0 ? -errno : 0;
}

/*
 * Safe because the tree was copied into this less privileged namespace: its
 * flags and masks are locked, and nothing of the host stays mounted behind it.
 */
static int enter_root(void)
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

static int become(const struct birth_plan *p, enum step step)
{
	char *argv[] = { (char *)p->init, NULL };
	char *env[] = { "container=cells", "TERM=linux", "HOME=/", BIRTH_PATH,
			NULL };

	switch (step) {
	case STEP_IDS:
		return take_ids();
	case STEP_NESTING:
		return bar_nesting();
	case STEP_UNSHARE:
		return unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0 ? -errno : 0;
	case STEP_ROOT:
		return enter_root();
	case STEP_NETWORK:
		return veth_enter(p->address);
	case STEP_HOSTNAME:
		return sethostname(p->name, strlen(p->name)) < 0 ? -errno : 0;
	case STEP_CONSOLE:
		return open_console();
	case STEP_LABEL:
		return label_exec(p->label);
	case STEP_JAIL:
		return jail_enter(p->jail, p->no_new_privs);
	case STEP_EXEC:
		execve(p->init, argv, env);
		return -errno;
	case STEP_COUNT:
		break;
	}
	return -EINVAL;
}

__attribute__((noreturn)) static void run_child(const struct birth_plan *p,
						int go, int status)
{
	struct report report = { 0 };
	char byte;

	birth_reset(3);
	if (p->merge)
		merge_enter();
	/* End of file: the parent gave up, or is no more. */
	if (read(go, &byte, 1) != 1)
		_exit(1);
	for (; report.step < STEP_COUNT && report.code == 0; report.step++)
		report.code = become(p, (enum step)report.step);
	report.step--;
	if (write(status, &report, sizeof(report)) < 0)
		_exit(2);
	_exit(1);
}

static int write_map(pid_t pid, const char *file, uint32_t base, struct err *e)
{
	char path[64], text[64];
	auto_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	snprintf(text, sizeof(text), "0 %u %d\n", base, BIRTH_IDS);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "write %s", path);
	return 0;
}

static int map_ids(struct birth *b, uint32_t base, struct err *e)
{
	char path[64];
	int r = write_map(b->pid, "uid_map", base, e);

	/* By us, so that it is also the least that the VP can set. */
	snprintf(path, sizeof(path), "%d", (int)b->pid);
	oom_reset(path);
	if (r == 0)
		r = write_map(b->pid, "gid_map", base, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)b->pid);
	b->userns = open(path, O_RDONLY | O_CLOEXEC);
	if (b->userns < 0)
		return err_sys(e, errno, "open %s", path);
	return 0;
}

int birth_begin(const struct birth_plan *p, struct birth *ret, struct err *e)
{
	AUTO(birth_fini) struct birth b = BIRTH_NONE;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
			 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD |
			 CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)&b.pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)p->leaf,
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
	b.pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (b.pid == 0) {
		close(go[1]);
		close(status[0]);
		run_child(p, go[0], status[1]);
	}
	r = errno;
	close(go[0]);
	close(status[1]);
	if (b.pid < 0)
		return err_sys(e, r, "clone the init of VP %s", p->name);
	r = map_ids(&b, p->base, e);
	if (r < 0)
		return r;
	*ret = b;
	b = (struct birth)BIRTH_NONE;
	return 0;
}

int birth_finish(struct birth *b, struct err *e)
{
	struct pollfd p = { .fd = b->status, .events = POLLIN };
	struct report report;
	ssize_t n;

	if (write(b->go, "g", 1) != 1)
		return err_sys(e, errno, "let the VP's init go");
	if (poll(&p, 1, EXEC_TIMEOUT_MS) <= 0)
		return err_set(e, ETIMEDOUT,
			       "the VP's init does not start: timeout");
	n = read(b->status, &report, sizeof(report));
	if (n < 0)
		return err_sys(e, errno, "read from the VP's init");
	if (n == sizeof(report) && report.step >= 0 && report.step < STEP_COUNT)
		return err_sys(e, -report.code, "the VP's first process: %s",
			       step_names[report.step]);
	/* It runs: from here on it lives without us. */
	close(b->go);
	close(b->status);
	b->go = b->status = -1;
	return 0;
}

static void end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void birth_fini(struct birth *b)
{
	siginfo_t info;

	end(&b->go);
	end(&b->status);
	end(&b->userns);
	/* Safe because a child that was not reaped keeps its pidfd its own. */
	if (b->pidfd >= 0 && b->pid > 0) {
		syscall(SYS_pidfd_send_signal, b->pidfd, SIGKILL, NULL, 0);
		waitid(P_PIDFD, (id_t)b->pidfd, &info, WEXITED);
	}
	end(&b->pidfd);
}

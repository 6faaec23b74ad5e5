/* SPDX-License-Identifier: Apache-2.0 */
#include "images/interrupt.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define PROGRAM_PATH                                                           \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void get_interrupt_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGHUP);
}

void interrupt_block_signals(void)
{
	sigset_t set;

	get_interrupt_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int interrupt_check(struct err *e)
{
	sigset_t pending;

	if (sigpending(&pending) == 0 &&
	    (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
	     sigismember(&pending, SIGHUP)))
		return err_set(e, EINTR, "cancelled");
	return 0;
}

static void __attribute__((noreturn))
exec_child_program(const char *const *argv, const char *const *env, int log)
{
	sigset_t set;

	get_interrupt_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	clearenv();
	setenv("PATH", PROGRAM_PATH, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("HOME", "/", 1);
	for (; env && *env; env++)
		putenv((char *)*env);
	umask(022);
	if (dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, STDIN_FILENO);
		execvp(argv[0], (char *const *)argv);
	}
	dprintf(log, "%s\n", strerror(errno));
	_exit(127);
}

/* The last line that says something; ret has `size` bytes. */
static void read_last_line(int fd, char *ret, size_t size)
{
	char buf[1024];
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from =
		end > (off_t)sizeof(buf) - 1 ? end - (off_t)sizeof(buf) + 1 : 0;
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, from);
	char *line;

	if (n < 0)
		n = 0;
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == ' '))
		n--;
	buf[n] = '\0';
	line = strrchr(buf, '\n');
	snprintf(ret, size, "%.*s", (int)size - 1, line ? line + 1 : buf);
}

/* Ends the child when a signal comes for us. */
static int wait_for_child(pid_t pid, int *ret_status, struct err *e)
{
	static const struct timespec tick = { .tv_nsec = 20 * 1000 * 1000 };

	for (;;) {
		pid_t r = waitpid(pid, ret_status, WNOHANG);

		if (r == pid)
			return 0;
		if (r < 0)
			return err_sys(e, errno, "wait");
		if (interrupt_check(e) < 0) {
			kill(pid, SIGTERM);
			waitpid(pid, ret_status, 0);
			return -EINTR;
		}
		nanosleep(&tick, NULL);
	}
}

int interrupt_run_program(const char *const *argv, const char *const *env,
			  const char *log, struct err *e)
{
	auto_close int fd =
		open(log, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
	char why[256];
	int status, r;
	pid_t pid;

	if (fd < 0)
		return err_sys(e, errno, "create %s", log);
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "start %s", argv[0]);
	if (pid == 0)
		exec_child_program(argv, env, fd);
	r = wait_for_child(pid, &status, e);
	if (r < 0)
		return r;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	read_last_line(fd, why, sizeof(why));
	if (WIFSIGNALED(status))
		return err_set(e, EIO, "%s: ended by signal %d", argv[0],
			       WTERMSIG(status));
	return err_set(e, EIO, "%s: %s", argv[0], why);
}

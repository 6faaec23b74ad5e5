/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsctl/terminal.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define LEAVE 0x1d /* Ctrl-] */

static void copy_terminal_size(int console)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(console, TIOCSWINSZ, &size);
}

int terminal_watch_size(void)
{
	sigset_t resize;

	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, NULL);
	return signalfd(-1, &resize, SFD_CLOEXEC | SFD_NONBLOCK);
}

void terminal_update_size(int resized, int console)
{
	struct signalfd_siginfo info;

	if (read(resized, &info, sizeof(info)) == sizeof(info))
		copy_terminal_size(console);
}

/* What can be read goes to the other side; 0: that side is over. */
static int forward_terminal_data(int from, int to, bool is_user)
{
	char data[4096];
	const char *leave = NULL;
	ssize_t n = read(from, data, sizeof(data));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : 0;
	if (is_user)
		leave = memchr(data, LEAVE, (size_t)n);
	if (leave)
		n = leave - data;
	if (n > 0 && io_write_all(to, data, (size_t)n) < 0)
		return 0;
	return n > 0 && !leave;
}

static void run_console_loop(int console, int in, int out)
{
	auto_close int resized = terminal_watch_size();
	struct pollfd p[] = {
		{ .fd = in, .events = POLLIN },
		{ .fd = console, .events = POLLIN },
		{ .fd = resized, .events = POLLIN },
	};

	for (;;) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return;
		if (p[2].revents)
			terminal_update_size(resized, console);
		if ((p[1].revents &&
		     !forward_terminal_data(console, out, false)) ||
		    (p[0].revents && !forward_terminal_data(in, console, true)))
			return;
	}
}

int terminal_set_raw(int console, struct terminal_mode *ret, struct err *e)
{
	struct termios raw;

	ret->is_set = tcgetattr(STDIN_FILENO, &ret->before) == 0;
	if (!ret->is_set)
		return 0;
	raw = ret->before;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
		return err_sys(e, errno, "set up the terminal");
	copy_terminal_size(console);
	return 0;
}

void terminal_restore(const struct terminal_mode *m)
{
	if (m->is_set)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &m->before);
}

int terminal_connect_console(int console, struct err *e)
{
	struct terminal_mode before;
	int r = terminal_set_raw(console, &before, e);

	if (r < 0)
		return r;
	if (before.is_set)
		fprintf(stderr, "Ctrl-] leaves the console.\r\n");
	run_console_loop(console, STDIN_FILENO, STDOUT_FILENO);
	terminal_restore(&before);
	return 0;
}

int terminal_open_pty(int *ret_master, int *ret_slave, struct err *e)
{
	auto_close int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios mode;
	int slave, zero = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &zero) < 0)
		return err_sys(e, errno, "make a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, errno, "make a terminal");
	if (tcgetattr(STDIN_FILENO, &mode) == 0)
		tcsetattr(slave, TCSANOW, &mode);
	*ret_master = steal_fd(master);
	*ret_slave = slave;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/ctl/ctlterm.h"

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

static void copy_size(int console)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(console, TIOCSWINSZ, &size);
}

static int on_resize(void)
{
	sigset_t resize;

	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, NULL);
	return signalfd(-1, &resize, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What can be read goes to the other side; 0: that side is over. */
static int pass(int from, int to, bool is_user)
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

/* What is left when the program has ended. */
static void drain(int from, int to)
{
	struct pollfd p = { .fd = from, .events = POLLIN };

	while (poll(&p, 1, 0) == 1 && pass(from, to, false))
		continue;
}

/* `in` or `end` may lack: then that side is not listened to. */
static void pump(int console, int in, int out, const struct ctlterm_end *end)
{
	auto_close int resized = on_resize();
	struct pollfd p[] = {
		{ .fd = in, .events = POLLIN },
		{ .fd = console, .events = POLLIN },
		{ .fd = resized, .events = POLLIN },
		{ .fd = end ? end->fd : -1, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return;
		if (p[2].revents &&
		    read(resized, &info, sizeof(info)) == sizeof(info))
			copy_size(console);
		if (end && p[3].revents && end->fn(end->arg))
			return drain(console, out);
		/* A program may close its terminal and go on. */
		if (p[1].revents && !pass(console, out, false)) {
			if (!end)
				return;
			p[1].fd = -1;
		}
		if (p[0].revents && !pass(in, console, !end)) {
			if (!end)
				return;
			p[0].fd = -1;
		}
	}
}

static int make_raw(int console, struct termios *ret_before, struct err *e)
{
	struct termios raw = *ret_before;

	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
		return err_sys(e, errno, "set up the terminal");
	copy_size(console);
	return 0;
}

int ctlterm_join(int console, struct err *e)
{
	struct termios before;
	bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	int r = is_terminal ? make_raw(console, &before, e) : 0;

	if (r < 0)
		return r;
	if (is_terminal)
		fprintf(stderr, "Ctrl-] leaves the console.\r\n");
	pump(console, STDIN_FILENO, STDOUT_FILENO, NULL);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	return 0;
}

int ctlterm_open(int *ret_master, int *ret_slave, struct err *e)
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

int ctlterm_relay(int master, const struct ctlterm_end *end, struct err *e)
{
	struct termios before;
	bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	int out = isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO;
	int r = is_terminal ? make_raw(master, &before, e) : 0;

	if (r < 0)
		return r;
	pump(master, is_terminal ? STDIN_FILENO : -1, out, end);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/ctl/ctlterm.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

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

static void pump(int console)
{
	auto_close int resized = on_resize();
	struct pollfd p[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = console, .events = POLLIN },
		{ .fd = resized, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return;
		if (p[2].revents &&
		    read(resized, &info, sizeof(info)) == sizeof(info))
			copy_size(console);
		if (p[1].revents && !pass(console, STDOUT_FILENO, false))
			return;
		if (p[0].revents && !pass(STDIN_FILENO, console, true))
			return;
	}
}

int ctlterm_join(int console, struct err *e)
{
	struct termios before, raw;
	bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;

	if (is_terminal) {
		raw = before;
		cfmakeraw(&raw);
		if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
			return err_sys(e, errno, "set up the terminal");
		fprintf(stderr, "Ctrl-] leaves the console.\r\n");
		copy_size(console);
	}
	pump(console);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	return 0;
}

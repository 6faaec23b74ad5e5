/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tty_line.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

int tty_line_read(int fd, char ret[TTY_LINE_SIZE], size_t *ret_len,
		  struct err *e)
{
	size_t n = 0;

	for (;;) {
		ssize_t r = read(fd, &ret[n], 1);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(e, errno, "read an answer");
		if (r == 0 && n == 0)
			return err_set(e, ENODATA,
				       "the answer is missing: the input has "
				       "ended");
		if (r == 0 || ret[n] == '\n')
			break;
		if (++n == TTY_LINE_SIZE - 1)
			return err_set(e, EINVAL, "the answer is too long");
	}
	ret[n] = '\0';
	*ret_len = n;
	return 0;
}

int tty_line_ask(const char *question, bool echo, char ret[TTY_LINE_SIZE],
		 size_t *ret_len, struct err *e)
{
	auto_close int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios before, quiet;
	int r;

	if (fd < 0 || tcgetattr(fd, &before) < 0)
		return err_set(e, ENXIO, "there is no terminal to ask on");
	quiet = before;
	if (!echo)
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
		return err_sys(e, errno, "ask at the terminal");
	dprintf(fd, "%s", question);
	r = tty_line_read(fd, ret, ret_len, e);
	tcsetattr(fd, TCSAFLUSH, &before);
	if (!echo)
		dprintf(fd, "\n");
	return r;
}

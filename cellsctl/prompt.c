/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsctl/prompt.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>

/* One byte at a time, so that nothing behind the line is taken. */
static int read_answer_line(int fd, char ret[PROMPT_MAX], size_t *ret_len,
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
		if (++n == PROMPT_MAX - 1)
			return err_set(e, EINVAL, "the answer is too long");
	}
	ret[n] = '\0';
	*ret_len = n;
	return 0;
}

static int ask_at_terminal(const char *prompt, bool echo, char ret[PROMPT_MAX],
			   size_t *ret_len, struct err *e)
{
	auto_close int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios before, quiet;
	int r;

	if (fd < 0 || tcgetattr(fd, &before) < 0)
		return err_sys(e, errno, "ask at the terminal");
	quiet = before;
	if (!echo)
		quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (dprintf(fd, "%s", prompt) < 0 ||
	    tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
		return err_sys(e, errno, "ask at the terminal");
	r = read_answer_line(fd, ret, ret_len, e);
	tcsetattr(fd, TCSAFLUSH, &before);
	if (!echo)
		dprintf(fd, "\n");
	return r;
}

int prompt_read_optional_secret(const char *prompt, bool from_stdin,
				char ret[PROMPT_MAX], size_t *ret_len,
				struct err *e)
{
	return from_stdin ? read_answer_line(STDIN_FILENO, ret, ret_len, e)
			  : ask_at_terminal(prompt, false, ret, ret_len, e);
}

int prompt_read_secret(const char *prompt, bool from_stdin,
		       char ret[PROMPT_MAX], size_t *ret_len, struct err *e)
{
	int r = prompt_read_optional_secret(prompt, from_stdin, ret, ret_len,
					    e);

	if (r == 0 && *ret_len == 0)
		r = err_set(e, EINVAL, "the password is empty");
	return r;
}

int prompt_confirm_word(const char *question, const char *word, struct err *e)
{
	char answer[PROMPT_MAX];
	size_t len;
	int r = ask_at_terminal(question, true, answer, &len, e);

	if (r < 0)
		return r;
	if (strcmp(answer, word) != 0)
		return err_set(e, ECANCELED, "not confirmed: nothing is done");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsctl/prompt.h"

#include "lib/err.h"
#include "lib/tty_line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int prompt_read_optional_secret(const char *prompt, bool from_stdin,
				char ret[TTY_LINE_SIZE], size_t *ret_len,
				struct err *e)
{
	return from_stdin ? tty_line_read(STDIN_FILENO, ret, ret_len, e)
			  : tty_line_ask(prompt, false, ret, ret_len, e);
}

int prompt_read_secret(const char *prompt, bool from_stdin,
		       char ret[TTY_LINE_SIZE], size_t *ret_len, struct err *e)
{
	int r = prompt_read_optional_secret(prompt, from_stdin, ret, ret_len,
					    e);

	if (r == 0 && *ret_len == 0)
		r = err_set(e, EINVAL, "the password is empty");
	return r;
}

int prompt_confirm_word(const char *question, const char *word, struct err *e)
{
	char answer[TTY_LINE_SIZE];
	size_t len;
	int r = tty_line_ask(question, true, answer, &len, e);

	if (r < 0)
		return r;
	if (strcmp(answer, word) != 0)
		return err_set(e, ECANCELED, "not confirmed: nothing is done");
	return 0;
}

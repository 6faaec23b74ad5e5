/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/prompt.h"

#include "cellsadm/ui/wordlist.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/tty_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD_MAX 1024

void prompt_free(char *password)
{
	if (password)
		explicit_bzero(password, strlen(password));
	free(password);
}

static unsigned int count_characters(const char *s)
{
	unsigned int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* -EINVAL: under PROMPT_MIN characters; the message offers six words. */
static int check_new_password(const char *password, struct err *e)
{
	char offer[WORDLIST_PASSPHRASE_SIZE];

	if (count_characters(password) >= PROMPT_MIN)
		return 0;
	wordlist_make_passphrase(offer);
	return err_set(e, EINVAL,
		       "the password has under %d characters; six random words "
		       "to take instead: %s",
		       PROMPT_MIN, offer);
}

int prompt_read_file(const char *path, bool is_new, char **ret, struct err *e)
{
	AUTO(prompt_freep) char *text = NULL;
	size_t len;
	int r = io_read_file(path, PASSWORD_MAX, &text, &len, e);

	if (r < 0)
		return r;
	text[strcspn(text, "\r\n")] = '\0';
	if (!*text)
		return err_set(e, EINVAL, "%s: no password in it", path);
	if (is_new) {
		r = check_new_password(text, e);
		if (r < 0)
			return r;
	}
	*ret = steal(text);
	return 0;
}

/* `intro` comes before the question. */
static int ask_password_line(const char *what, const char *intro,
			     const char *question, char line[TTY_LINE_SIZE],
			     struct err *e)
{
	char prompt[512];
	size_t len;
	int r;

	snprintf(prompt, sizeof(prompt), "%s%s: ", intro, question);
	r = tty_line_ask(prompt, false, line, &len, e);
	explicit_bzero(prompt, sizeof(prompt));
	if (r == -ENXIO)
		return err_set(e, ENXIO,
			       "ask for the password of %s: no terminal (use "
			       "--password-file or --password-stdin)",
			       what);
	if (r == -ENODATA)
		return err_set(e, ECANCELED, "%s: no answer", question);
	return r;
}

static int ask_new_password(const char *what, char line[TTY_LINE_SIZE],
			    struct err *e)
{
	char offer[WORDLIST_PASSPHRASE_SIZE], intro[320], question[160],
		again[TTY_LINE_SIZE];
	int r;

	wordlist_make_passphrase(offer);
	snprintf(intro, sizeof(intro),
		 "New password of %.140s: %d characters at least. Six random "
		 "words to take (press Enter):\n  %s\n",
		 what, PROMPT_MIN, offer);
	snprintf(question, sizeof(question), "New password of %s", what);
	r = ask_password_line(what, intro, question, line, e);
	explicit_bzero(intro, sizeof(intro));
	if (r < 0)
		return r;
	if (!*line)
		snprintf(line, TTY_LINE_SIZE, "%s", offer);
	r = check_new_password(line, e);
	if (r < 0)
		return r;
	r = ask_password_line(what, "", "Again", again, e);
	if (r == 0 && strcmp(line, again) != 0)
		r = err_set(e, EINVAL, "the two passwords differ");
	explicit_bzero(again, sizeof(again));
	explicit_bzero(offer, sizeof(offer));
	return r;
}

int prompt_password(const char *what, bool is_new, char **ret, struct err *e)
{
	char line[TTY_LINE_SIZE], question[160];
	int r;

	snprintf(question, sizeof(question), "Password of %s", what);
	r = is_new ? ask_new_password(what, line, e)
		   : ask_password_line(what, "", question, line, e);
	if (r == 0) {
		*ret = strdup(line);
		if (!*ret)
			r = err_oom(e, question);
	}
	explicit_bzero(line, sizeof(line));
	return r;
}

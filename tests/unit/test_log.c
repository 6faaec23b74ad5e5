/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

static const struct {
	const char *text, *line;
} lines[] = {
	{ "open 'Grün': no such file", "test: open 'Grün': no such file\n" },
	{ "one\n<0>two", "test: one <0>two\n" },
	{ "\x1b[2J", "test:  [2J\n" },
	/* CSI and a change of direction, in UTF-8; CSI as a lone byte */
	{ "\xc2\x9b"
	  "2J\xe2\x80\xae",
	  "test:   2J   \n" },
	{ "\x9b"
	  "2J",
	  "test:  2J\n" },
};

START_TEST(a_text_is_one_line_that_cannot_steer_the_terminal)
{
	char got[256] = "";
	int fds[2], saved = dup(STDERR_FILENO);

	ck_assert_int_eq(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_open("test");
	log_error("%s", lines[_i].text);
	dup2(saved, STDERR_FILENO);
	ck_assert_int_gt(read(fds[0], got, sizeof(got) - 1), 0);
	ck_assert_str_eq(got, lines[_i].line);
	close(saved);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc,
			    a_text_is_one_line_that_cannot_steer_the_terminal,
			    0, ARRAY_SIZE(lines));
}

UNIT_MAIN("log", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include "lib/display.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The tree's one mutable global: a log has no sensible owner. */
static struct {
	const char *name;
	bool daemon;
	bool debug;
} log_state = { .name = "cells" };

void log_open(const char *name)
{
	log_state.name = name;
}

void log_daemon(void)
{
	log_state.daemon = true;
}

void log_debug_on(void)
{
	log_state.debug = true;
}

/* Text from outside must not fake a second line or steer the terminal. */
static void replace_unsafe_chars(char *s)
{
	const char *next = s;

	while (*s) {
		bool unsafe = display_is_unsafe(display_next_char(&next));

		for (; s < next; s++)
			if (unsafe)
				*s = ' ';
	}
}

static void __attribute__((format(printf, 2, 0)))
write_log_line(int priority, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[1024], line[1100];
	int n;

	vsnprintf(text, sizeof(text), fmt, ap);
	replace_unsafe_chars(text);
	if (log_state.daemon)
		n = snprintf(line, sizeof(line), "<%d>%s\n", priority, text);
	else
		n = snprintf(line, sizeof(line), "%s: %s\n", log_state.name,
			     text);
	/* One write, so that lines of several processes do not mix. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		(void)0; /* there is nowhere left to report it */
	errno = saved;
}

#define LOG_FUNCTION(fn, priority)                                             \
	void fn(const char *fmt, ...)                                          \
	{                                                                      \
		va_list ap;                                                    \
		va_start(ap, fmt);                                             \
		write_log_line(priority, fmt, ap);                             \
		va_end(ap);                                                    \
	}

LOG_FUNCTION(log_error, 3)
LOG_FUNCTION(log_warning, 4)
LOG_FUNCTION(log_info, 6)

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_state.debug)
		return;
	va_start(ap, fmt);
	write_log_line(7, fmt, ap);
	va_end(ap);
}

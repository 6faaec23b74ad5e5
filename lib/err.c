/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include "lib/auto.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Here are the functions behind the macros. */
#undef err_set
#undef err_sys
#undef err_reason
#undef err_usage
#undef err_oom

/* Bytes of the character at s; 0: there is no whole one. */
static size_t get_utf8_length(const unsigned char *s)
{
	/* RFC 3629, section 4: what may be first, and what second. */
	static const struct {
		unsigned char first, last, from, to;
		size_t size;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i = 0, n = 2;

	if (*s < 0x80)
		return 1;
	while (i < ARRAY_SIZE(forms) &&
	       (*s < forms[i].first || *s > forms[i].last))
		i++;
	if (i == ARRAY_SIZE(forms) || s[1] < forms[i].from ||
	    s[1] > forms[i].to)
		return 0;
	while (n < forms[i].size && (s[n] & 0xc0) == 0x80)
		n++;
	return n == forms[i].size ? n : 0;
}

/* Each byte that is not part of a whole character becomes '?'. */
static void replace_invalid_utf8(char *s)
{
	while (*s) {
		size_t n = get_utf8_length((const unsigned char *)s);

		if (n == 0)
			*s = '?';
		s += n ? n : 1;
	}
}

/*
 * Returns how many bytes of the text are used. A part of it may have been cut
 * within a character, and a bus disconnects who sends such a text.
 */
static size_t __attribute__((format(printf, 3, 0)))
format_err_text(struct err *e, enum reason r, const char *fmt, va_list ap)
{
	int n;

	e->reason = r;
	e->is_usage = false;
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	if (n < 0) {
		e->text[0] = '\0';
		return 0;
	}
	replace_invalid_utf8(e->text);
	return (size_t)n < sizeof(e->text) ? (size_t)n : sizeof(e->text) - 1;
}

/* A caller who passes a code that is none has failed all the same. */
static int normalize_errno(int code)
{
	return code > 0 ? -code : -EIO;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format_err_text(e, REASON_NONE, fmt, ap);
	va_end(ap);
	return normalize_errno(code);
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = format_err_text(e, REASON_NONE, fmt, ap);
	va_end(ap);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(code));
	return normalize_errno(code);
}

int err_reason(struct err *e, enum reason r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format_err_text(e, r, fmt, ap);
	va_end(ap);
	return normalize_errno(reason_errno(r));
}

int err_usage(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format_err_text(e, REASON_NONE, fmt, ap);
	va_end(ap);
	e->is_usage = true;
	return -EINVAL;
}

const char *err_code(const struct err *e)
{
	return reason_code(e->reason ? e->reason : REASON_INTERNAL);
}

int err_oom(struct err *e, const char *what)
{
	return err_sys(e, ENOMEM, "%s", what);
}

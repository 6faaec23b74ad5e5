/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Here are the functions behind the macros. */
#undef err_set
#undef err_sys
#undef err_reason
#undef err_oom

/* Returns how many bytes of the text are used. */
static size_t __attribute__((format(printf, 3, 0)))
put(struct err *e, enum reason r, const char *fmt, va_list ap)
{
	int n;

	e->reason = r;
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	if (n < 0) {
		e->text[0] = '\0';
		return 0;
	}
	return (size_t)n < sizeof(e->text) ? (size_t)n : sizeof(e->text) - 1;
}

/* A caller who passes a code that is none has failed all the same. */
static int negative(int code)
{
	return code > 0 ? -code : -EIO;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(e, REASON_NONE, fmt, ap);
	va_end(ap);
	return negative(code);
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = put(e, REASON_NONE, fmt, ap);
	va_end(ap);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(code));
	return negative(code);
}

int err_reason(struct err *e, enum reason r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(e, r, fmt, ap);
	va_end(ap);
	return negative(reason_errno(r));
}

const char *err_code(const struct err *e)
{
	return reason_code(e->reason ? e->reason : REASON_INTERNAL);
}

int err_oom(struct err *e, const char *what)
{
	return err_sys(e, ENOMEM, "%s", what);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A description of an error for people, with its reason code if it has one. It
 * is on the caller's stack, so nothing is allocated or freed. A function with a
 * struct err parameter fills it if and only if it returns a negative errno, and
 * never logs. The text is always valid UTF-8.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <stdbool.h>

#include "lib/reason.h"

struct err {
	enum reason reason; /* REASON_NONE: no code of the contract fits */
	bool is_usage;	    /* of err_usage() */
	char text[512];
};

/*
 * Each returns -code (EIO if the code is not valid). err_sys() appends the
 * description of the code.
 */
int err_set(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int err_sys(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sets a reason code; returns -reason_errno(r). */
int err_reason(struct err *e, enum reason r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What is wrong is the command line itself, such as an option that is missing
 * or contradicts another. Returns -EINVAL. */
int err_usage(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * States that the result is negative, which the compiler and its analyzer
 * cannot see here. Without it, they follow paths in callers that do not exist.
 */
static inline int err_negative(int r)
{
	if (r >= 0)
		__builtin_unreachable();
	return r;
}
#define err_set(...) err_negative(err_set(__VA_ARGS__))
#define err_sys(...) err_negative(err_sys(__VA_ARGS__))
#define err_reason(...) err_negative(err_reason(__VA_ARGS__))
#define err_usage(...) err_negative(err_usage(__VA_ARGS__))

/* The reason code; "err.internal" if there is none. */
const char *err_code(const struct err *e);

/* -ENOMEM, with "what: Cannot allocate memory". */
int err_oom(struct err *e, const char *what);
#define err_oom(...) err_negative(err_oom(__VA_ARGS__))

#endif

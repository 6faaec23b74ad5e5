/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, for a person to read, and the reason code where the contract
 * has one. It lives on the caller's stack, so there is nothing to allocate and
 * nothing to free. A function that takes one fills it exactly when it returns a
 * negative errno, and never logs. The text is UTF-8 whatever went into it.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include "lib/reason.h"

struct err {
	enum reason reason; /* REASON_NONE: no code of the contract fits */
	char text[512];
};

/* Each returns -code (EIO for a code that is none). err_sys() appends what the
 * code means. */
int err_set(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int err_sys(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sets a reason of the contract; returns -reason_errno(r). */
int err_reason(struct err *e, enum reason r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * That the result is below 0, which a compiler and its analyzer cannot see from
 * here: else they follow callers on a way that does not exist.
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

/* The reason's word; "err.internal" where none was given. */
const char *err_code(const struct err *e);

/* -ENOMEM, with "what: Cannot allocate memory". */
int err_oom(struct err *e, const char *what);
#define err_oom(...) err_negative(err_oom(__VA_ARGS__))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership: a variable that is declared with AUTO(fn) is released when it goes
 * out of scope. steal() transfers its value to another owner.
 */
#ifndef LIB_AUTO_H
#define LIB_AUTO_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AUTO(fn) __attribute__((cleanup(fn)))
#define auto_free AUTO(auto_freep)
#define auto_close AUTO(auto_closep)
#define auto_fclose AUTO(auto_fclosep)
#define auto_closedir AUTO(auto_closedirp)

/* Transfers the pointer: the variable no longer owns it. */
#define steal(p)                                                               \
	({                                                                     \
		__auto_type taken_ = (p);                                      \
		(p) = NULL;                                                    \
		taken_;                                                        \
	})

/* The same for a file descriptor. */
#define steal_fd(fd)                                                           \
	({                                                                     \
		int taken_ = (fd);                                             \
		(fd) = -1;                                                     \
		taken_;                                                        \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void auto_freep(void *p)
{
	free(*(void **)p);
}

/* Preserves errno, so that it can run between a failure and its report. */
static inline void auto_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void auto_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void auto_closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clocks of the program. A build with --enable-test-clock adds to each what
 * the file named by CELLS_TEST_CLOCK says ("<wall seconds> <boot seconds>\n",
 * read at each call), so that tests can move time; a release has none of that.
 */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

/* Seconds since 1970, UTC; may be set back by anybody. */
int64_t clock_wall(void);

/* CLOCK_BOOTTIME in nanoseconds; runs on while the device sleeps. */
uint64_t clock_boot_ns(void);

/* CLOCK_MONOTONIC in nanoseconds, never moved by a test: for measuring. */
uint64_t clock_mono_ns(void);

/* CLOCK_THREAD_CPUTIME_ID in nanoseconds: for work that has a bound. */
uint64_t clock_cpu_ns(void);

#endif

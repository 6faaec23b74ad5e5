/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clocks of the program. A build with --enable-test-clock adds to each
 * clock an offset from the file in CELLS_TEST_CLOCK ("<wall seconds> <boot
 * seconds>\n"), which it reads at each call, so that tests can change the time.
 * A release build does not contain this code.
 */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

/* Seconds since 1970, UTC. The clock can be set back. */
int64_t clock_wall(void);

/*
 * CLOCK_BOOTTIME in nanoseconds; includes the time in which the device sleeps.
 */
uint64_t clock_boot_ns(void);

/* CLOCK_MONOTONIC in nanoseconds, for measurements; tests never change it. */
uint64_t clock_mono_ns(void);

/* CLOCK_THREAD_CPUTIME_ID in nanoseconds, for work with a time limit. */
uint64_t clock_cpu_ns(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static uint64_t read_clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

#ifdef TEST_CLOCK
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void read_test_offsets(int64_t *wall, int64_t *boot)
{
	const char *path = getenv("CELLS_TEST_CLOCK");
	FILE *f = path ? fopen(path, "re") : NULL;

	*wall = *boot = 0;
	if (!f)
		return;
	if (fscanf(f, "%" SCNd64 " %" SCNd64, wall, boot) != 2)
		*wall = *boot = 0;
	fclose(f);
}
#else
static void read_test_offsets(int64_t *wall, int64_t *boot)
{
	*wall = *boot = 0;
}
#endif

int64_t clock_wall(void)
{
	int64_t wall, boot;

	read_test_offsets(&wall, &boot);
	return (int64_t)(read_clock_ns(CLOCK_REALTIME) / NS_PER_S) + wall;
}

uint64_t clock_boot_ns(void)
{
	int64_t wall, boot;

	read_test_offsets(&wall, &boot);
	return read_clock_ns(CLOCK_BOOTTIME) + (uint64_t)boot * NS_PER_S;
}

uint64_t clock_mono_ns(void)
{
	return read_clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_cpu_ns(void)
{
	return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/securetime.h"

#include "lib/auto.h"

#include <inttypes.h>
#include <string.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define NS_PER_S UINT64_C(1000000000)

/* Moves the base to boot_ns; a boot clock that went back moves nothing. */
static void advance(struct securetime *st, uint64_t boot_ns)
{
	uint64_t s;

	if (boot_ns < st->boot_ns) {
		st->boot_ns = boot_ns;
		return;
	}
	s = (boot_ns - st->boot_ns) / NS_PER_S;
	if (st->base > 0)
		st->base += (int64_t)s;
	st->boot_ns += s * NS_PER_S;
}

void securetime_start(struct securetime *st, const char *saved,
		      const char *boot, uint64_t boot_ns)
{
	struct securetime t = { 0 };
	int taken = 0;

	if (sscanf(saved, "%" SCNd64 " %" SCNd64 " %" SCNu64 " %d %39s",
		   &t.base, &t.added, &t.boot_ns, &taken, t.boot) != 5)
		t = (struct securetime){ 0 };
	if (strcmp(t.boot, boot) == 0 && boot_ns >= t.boot_ns) {
		t.step_taken = taken;
		advance(&t, boot_ns);
	}
	t.boot_ns = boot_ns;
	snprintf(t.boot, sizeof(t.boot), "%s", boot);
	if (t.base > 0 && !t.step_taken) {
		t.added += SECURETIME_STEP;
		t.step_taken = true;
	}
	*st = t;
}

void securetime_text(const struct securetime *st, uint64_t boot_ns,
		     char ret[SECURETIME_TEXT_SIZE])
{
	struct securetime t = *st;

	advance(&t, boot_ns);
	snprintf(ret, SECURETIME_TEXT_SIZE,
		 "%" PRId64 " %" PRId64 " %" PRIu64 " %d %s", t.base, t.added,
		 t.boot_ns, t.step_taken, t.boot);
}

int64_t securetime_measured(const struct securetime *st, uint64_t boot_ns)
{
	struct securetime t = *st;

	advance(&t, boot_ns);
	return t.base;
}

int64_t securetime_now(const struct securetime *st, uint64_t boot_ns)
{
	return securetime_measured(st, boot_ns) + st->added;
}

void securetime_snapshot(struct securetime *st, int64_t issued,
			 uint64_t boot_ns)
{
	advance(st, boot_ns);
	if (issued > st->base) {
		st->base = issued;
		st->boot_ns = boot_ns;
	}
	st->added = 0;
	st->step_taken = false;
}

void securetime_reset(struct securetime *st, int64_t issued, uint64_t boot_ns)
{
	st->base = issued;
	st->boot_ns = boot_ns;
	st->added = 0;
	st->step_taken = false;
}

void securetime_boot_id(char ret[40])
{
	auto_fclose FILE *f = fopen(BOOT_ID, "re");

	if (!f || fscanf(f, "%39s", ret) != 1)
		snprintf(ret, 40, "unknown");
}

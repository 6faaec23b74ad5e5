/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/secure_time.h"

#include "lib/auto.h"

#include <inttypes.h>
#include <string.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define NS_PER_S UINT64_C(1000000000)
#define DAY INT64_C(86400)
#define OFF_MAX (366 * DAY) /* more is a hardware clock that lies */

/* Moves the base to boot_ns; a boot clock that went back moves nothing. */
static void advance_time_base(struct secure_time *st, uint64_t boot_ns)
{
	int64_t s;

	if (boot_ns < st->boot_ns) {
		st->boot_ns = boot_ns;
		return;
	}
	s = (int64_t)((boot_ns - st->boot_ns) / NS_PER_S);
	if (st->base > 0)
		st->base += s;
	if (st->base > st->greatest)
		st->greatest = st->base;
	st->measured.ran += s;
	st->boot_ns += (uint64_t)s * NS_PER_S;
}

static bool parse_saved_time(const char *saved, struct secure_time *ret)
{
	struct secure_time t = { 0 };
	int taken = 0;

	if (sscanf(saved,
		   "%" SCNd64 " %" SCNd64 " %" SCNu64 " %d %39s %" SCNd64
		   " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
		   " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
		   &t.base, &t.added, &t.boot_ns, &taken, t.boot, &t.greatest,
		   &t.wall, &t.measured.ran, &t.measured.off, &t.contact.ran,
		   &t.contact.off, &t.life, &t.anchor.ran, &t.anchor.off,
		   &t.anchored) != 15)
		return false;
	t.step_taken = taken;
	*ret = t;
	return true;
}

void secure_time_format(const struct secure_time *st, uint64_t boot_ns,
			int64_t wall, char ret[SECURE_TIME_TEXT_SIZE])
{
	struct secure_time t = *st;

	advance_time_base(&t, boot_ns);
	snprintf(ret, SECURE_TIME_TEXT_SIZE,
		 "%" PRId64 " %" PRId64 " %" PRIu64 " %d %s %" PRId64
		 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
		 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
		 t.base, t.added, t.boot_ns, t.step_taken, t.boot, t.greatest,
		 wall, t.measured.ran, t.measured.off, t.contact.ran,
		 t.contact.off, t.life, t.anchor.ran, t.anchor.off, t.anchored);
}

/* The boot clock restarted: what it shows was measured, and the rest of what
 * the hardware clock went on by, the device was off. */
static void enter_new_boot(struct secure_time *t, const char *boot,
			   uint64_t boot_ns, int64_t wall)
{
	bool is_other = strcmp(t->boot, boot) != 0;
	int64_t off = wall - t->wall;

	t->step_taken = false;
	t->boot_ns = boot_ns;
	if (is_other && *t->boot) {
		off -= (int64_t)(boot_ns / NS_PER_S);
		t->boot_ns = 0;
		advance_time_base(t, boot_ns);
	}
	if (t->wall > 0 && off > 0 && off < OFF_MAX)
		t->measured.off += off;
}

void secure_time_start(struct secure_time *st, const char *saved,
		       const char *boot, uint64_t boot_ns, int64_t wall)
{
	struct secure_time t = { 0 };

	if (parse_saved_time(saved, &t) && strcmp(t.boot, boot) == 0 &&
	    boot_ns >= t.boot_ns)
		advance_time_base(&t, boot_ns);
	else
		enter_new_boot(&t, boot, boot_ns, wall);
	t.wall = wall;
	snprintf(t.boot, sizeof(t.boot), "%s", boot);
	if (t.base > 0 && !t.step_taken) {
		t.added += SECURE_TIME_STEP;
		t.step_taken = true;
	}
	*st = t;
}

int64_t secure_time_get_confirmed(const struct secure_time *st,
				  uint64_t boot_ns)
{
	struct secure_time t = *st;

	advance_time_base(&t, boot_ns);
	return t.base;
}

int64_t secure_time_get_presumed(const struct secure_time *st, uint64_t boot_ns)
{
	return secure_time_get_confirmed(st, boot_ns) + st->added;
}

int64_t secure_time_get_greatest(const struct secure_time *st, uint64_t boot_ns)
{
	struct secure_time t = *st;

	advance_time_base(&t, boot_ns);
	return t.greatest;
}

int64_t secure_time_get_total_uptime(const struct secure_time *st,
				     uint64_t boot_ns)
{
	struct secure_time t = *st;

	advance_time_base(&t, boot_ns);
	return t.measured.ran;
}

void secure_time_set_snapshot(struct secure_time *st, int64_t issued,
			      int64_t expires, uint64_t boot_ns)
{
	advance_time_base(st, boot_ns);
	if (issued > st->base) {
		st->base = issued;
		st->boot_ns = boot_ns;
	}
	if (st->base > st->greatest)
		st->greatest = st->base;
	st->added = 0;
	st->step_taken = false;
	st->contact = st->measured;
	st->life = expires > st->base ? expires - st->base : 0;
	if (st->anchored == 0) {
		st->anchor = st->measured;
		st->anchored = st->base;
	}
}

void secure_time_set_contact(struct secure_time *st, uint64_t boot_ns)
{
	int64_t left;

	advance_time_base(st, boot_ns);
	left = st->life - (st->measured.ran - st->contact.ran) -
	       (st->measured.off - st->contact.off);
	st->life = left > 0 ? left : 0;
	st->contact = st->measured;
}

void secure_time_reset(struct secure_time *st, int64_t issued, uint64_t boot_ns)
{
	advance_time_base(st, boot_ns);
	st->base = issued;
	st->boot_ns = boot_ns;
	if (issued > st->greatest)
		st->greatest = issued;
	st->added = 0;
	st->step_taken = false;
	st->contact = st->measured;
	st->life = 0;
	st->anchored = 0;
}

/* What was measured since then. */
static int64_t get_elapsed_since(const struct secure_time *st,
				 const struct secure_time_mark *mark,
				 bool with_off)
{
	int64_t s = st->measured.ran - mark->ran;

	return with_off ? s + st->measured.off - mark->off : s;
}

int64_t secure_time_get_silence(const struct secure_time *st, uint64_t boot_ns,
				bool with_off)
{
	struct secure_time t = *st;

	advance_time_base(&t, boot_ns);
	return get_elapsed_since(&t, &t.contact, with_off) - t.life;
}

int64_t secure_time_get_lapse(const struct secure_time *st, int64_t expires,
			      uint64_t boot_ns, bool with_off)
{
	struct secure_time t = *st;
	int64_t ran, over;

	advance_time_base(&t, boot_ns);
	if (t.anchored == 0)
		return -1;
	ran = get_elapsed_since(&t, &t.anchor, with_off);
	over = t.anchored + ran - expires;
	return over < ran ? over : ran;
}

void secure_time_read_boot_id(char ret[40])
{
	auto_fclose FILE *f = fopen(BOOT_ID, "re");

	if (!f || fscanf(f, "%39s", ret) != 1)
		snprintf(ret, 40, "unknown");
}

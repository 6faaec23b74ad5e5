/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/periodic.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/command.h"
#include "policyd/enroll.h"
#include "policyd/policyd.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/reconcile.h"
#include "policyd/schedule.h"
#include "policyd/staging.h"
#include "policyd/unenroll.h"

#include <inttypes.h>
#include <string.h>

/* Tests move the clocks behind the kernel's back, so that has to be looked at.
 */
#ifdef TEST_CLOCK
#define TICK_USEC (200 * 1000)
#define TICK_SLACK_USEC (50 * 1000)
#else
#define TICK_USEC (15 * 1000 * 1000)
#define TICK_SLACK_USEC (5 * 1000 * 1000)
#endif
#define RETRY_IMAGE_NS (UINT64_C(600) * 1000 * 1000 * 1000)
#define SAVE_NS (SECURE_TIME_STEP * UINT64_C(1000) * 1000 * 1000)
#define SAVE_SILENT_NS (SAVE_NS / 10)
#define HOUR 3600
#define JUMP_SECONDS 60

struct periodic {
	struct policyd *p;
	sd_event_source *tick;
	uint64_t saved_ns, image_ns; /* boot, mono */
	int64_t skew; /* wall less boot clock, at the last tick */
};

/*
 * A jump of the wall clock is a record: times in the audit depend on it. Where
 * it is now is saved, so that the jump is not taken for time that the
 * device was off.
 */
static void detect_clock_jump(struct periodic *t)
{
	int64_t skew = clock_wall() - (int64_t)(clock_boot_ns() / 1000000000);
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t jump = skew - t->skew;
	struct err e;
	int r;

	t->skew = skew;
	if (jump < JUMP_SECONDS && jump > -JUMP_SECONDS)
		return;
	schedule_arm_timer(t->p->schedule);
	r = store_begin(t->p->store, true, &tx, &e);
	if (r == 0)
		r = policyd_save_time(t->p, &e);
	if (r == 0)
		r = audit_log_write(&t->p->recorder, AUDIT_CLOCK, NULL, NULL,
				    json_pack("{sI}", "jump", (json_int_t)jump),
				    &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		log_error("note the clock: %s", e.text);
}

/* ---- offline */
/*
 * How long the VPs were without word, by the device's own measure: since the
 * snapshot's or the group's end. What was signed to move time ahead does not
 * count, nor does a wall clock that was set; time that the device was off, by
 * its hardware clock, may lock a VP and never wipe one.
 */
struct silence {
	int64_t seconds;
	int64_t begin; /* of this silence: another one has another number */
};

static struct silence measure_silence(const struct policyd *p, bool with_off)
{
	const struct doc_group *g = document_set_find_group(&p->state.in_force);
	uint64_t now = clock_boot_ns();
	struct silence s = { secure_time_get_silence(&p->time, now, with_off),
			     p->time.contact.ran };
	int64_t lapsed = g ? secure_time_get_lapse(&p->time, g->head.expires,
						   now, with_off)
			   : s.seconds;

	if (lapsed > s.seconds)
		s = (struct silence){ lapsed, g->head.expires };
	return s;
}

static void enforce_offline_limit(struct policyd *p,
				  const struct doc_vp_config *c)
{
	bool is_wipe = c->offline_then == DOC_THEN_WIPE;
	struct silence s = measure_silence(p, !is_wipe);
	char text[DOC_ID_SIZE + 64], hex[2 * HASH_SIZE + 1], id[DOC_ID_SIZE];
	char state[STORE_WORD_SIZE];
	uint8_t digest[HASH_SIZE];
	struct err e;

	if (c->offline_hours == 0 || c->offline_then == DOC_THEN_NOTHING ||
	    s.seconds < (int64_t)c->offline_hours * HOUR)
		return;
	if (store_get_vp_state(p->store, c->head.id, state, &e) < 0 ||
	    strcmp(state, "absent") == 0 ||
	    (!is_wipe && strcmp(state, "locked") == 0))
		return;
	/* Once in each while without word. */
	snprintf(text, sizeof(text), "%s %" PRId64, c->head.id, s.begin);
	hash_sha256(text, strlen(text), digest);
	encoding_to_hex(digest, HASH_SIZE, hex);
	snprintf(id, sizeof(id), "offline-%s-%.32s", is_wipe ? "wipe" : "lock",
		 hex);
	if (command_enforce_rule(p->commands, id, is_wipe ? DOC_WIPE : DOC_LOCK,
				 c->head.id, "offline", &e) < 0)
		log_error("offline rule of '%s': %s", c->head.id, e.text);
}

static void enforce_offline_limits(struct policyd *p)
{
	for (unsigned int i = 0; i < p->state.in_force.n; i++) {
		const struct doc *d = p->state.in_force.doc[i]->doc;

		if (d->head.type == DOC_VP_CONFIG)
			enforce_offline_limit(p, doc_as_vp_config(d));
	}
}

/* ---- the rest */
/* More often while there is no word: a user who switches the device off every
 * few minutes takes back little of what it measured. */
static void save_elapsed_time(struct periodic *t)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	uint64_t now = clock_boot_ns();
	bool is_silent = measure_silence(t->p, true).seconds > 0;
	struct err e;
	int r;

	if (now - t->saved_ns < (is_silent ? SAVE_SILENT_NS : SAVE_NS) ||
	    !t->p->state.root)
		return;
	t->saved_ns = now;
	r = store_begin(t->p->store, true, &tx, &e);
	if (r == 0)
		r = policyd_save_time(t->p, &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		log_error("save secure time: %s", e.text);
}

/* Room may have been made meanwhile. */
static void retry_blocked_images(struct periodic *t)
{
	uint64_t now = clock_mono_ns();
	struct err e;

	if (now - t->image_ns < RETRY_IMAGE_NS)
		return;
	t->image_ns = now;
	if (staging_retry(t->p, &e) < 0)
		log_error("activate: %s", e.text);
	if (t->p->state.staged_blocked)
		staging_unblock(t->p);
}

static int on_timer_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct periodic *t = arg;
	struct policyd *p = t->p;

	sd_event_source_set_time_relative(s, TICK_USEC);
	sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	detect_clock_jump(t);
	save_elapsed_time(t);
	enforce_offline_limits(p);
	retry_blocked_images(t);
	unenroll_continue(p);
	enroll_end_overdue(p);
	reconcile_retry(p);
	command_run_pending(p->commands);
#ifdef TEST_CLOCK
	reconcile_push_state(p, "window");
#endif
	return 0;
}

int periodic_new(struct policyd *p, struct periodic **ret, struct err *e)
{
	AUTO(periodic_freep) struct periodic *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_oom(e, "timers");
	t->p = p;
	t->saved_ns = clock_boot_ns();
	t->image_ns = clock_mono_ns();
	t->skew = clock_wall() - (int64_t)(t->saved_ns / 1000000000);
	r = sd_event_add_time_relative(p->event, &t->tick, CLOCK_BOOTTIME,
				       TICK_USEC, TICK_SLACK_USEC,
				       on_timer_tick, t);
	if (r < 0)
		return err_sys(e, -r, "timers");
	*ret = steal(t);
	return 0;
}

void periodic_free(struct periodic *t)
{
	if (!t)
		return;
	sd_event_source_unref(t->tick);
	free(t);
}

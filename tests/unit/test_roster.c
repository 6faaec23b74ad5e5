/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/roster.h"

#include "cellsd/vp/journal.h"
#include "cellsd/vp/roster_log.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DIGEST                                                                 \
	"sha256:"                                                              \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char path[512];
static struct roster *r;
static struct err e;

static void reopen_in(const char *boot)
{
	roster_free(steal(r));
	ck_assert_msg(roster_open(path, boot, &r, &e) == 0, "%s", e.text);
}

static void reopen(void)
{
	reopen_in("boot-1");
}

static void setup(void)
{
	snprintf(path, sizeof(path), "%s/log", unit_folder());
	unlink(path);
	reopen();
}

static void teardown(void)
{
	roster_free(steal(r));
}

/* Names, NULL ends them; each may use the camera in front, and keeps handles.
 */
static int apply(const char *const *names)
{
	AUTO(roster_desired_fini) struct roster_desired w = { .generation = 7 };

	for (; *names; names++) {
		struct vp *v = vp_new(*names, &e);

		vp_conf_add_layer(&v->conf, DIGEST, &e);
		vp_conf_set_property(&v->conf, "label", "A  label\n%", &e);
		vp_conf_set_property(&v->conf, "memory-max", "123", &e);
		v->right[CELLS_CLASS_CAMERA].right.use = CELLS_USE_FRONT;
		v->right[CELLS_CLASS_CAMERA].right.block = 1;
		w.vp[w.n++] = v;
	}
	return roster_apply_desired(r, &w, &e);
}

/* As every start is: first it is prepared. */
static int start(const char *name)
{
	struct vp *v = roster_find_vp(r, name);
	int code = v->ready ? 0 : roster_record_prepare(r, v, &e);

	return code < 0 ? code : roster_record_start(r, v, &e);
}

static const char *const both[] = { "work", "personal", NULL };
static const char *const one[] = { "personal", NULL };

START_TEST(desired_state_is_read_back)
{
	struct vp *v;

	ck_assert_int_eq(apply(both), 0);
	reopen();
	ck_assert_uint_eq(r->apply_generation, 7);
	ck_assert_uint_eq(r->n, 2);
	v = roster_find_vp(r, "work");
	ck_assert_str_eq(v->conf.label, "A  label\n%");
	ck_assert_str_eq(v->conf.layer[0], DIGEST);
	ck_assert_uint_eq(v->conf.memory_max, 123);
	ck_assert_int_eq(v->state, VP_STATE_INSTALLED);
	ck_assert_int_eq(v->right[CELLS_CLASS_CAMERA].right.use,
			 CELLS_USE_FRONT);
	ck_assert(!v->right[CELLS_CLASS_CAMERA].kill);
	ck_assert_int_eq(v->right[CELLS_CLASS_GPS].right.use, CELLS_USE_NONE);
}
END_TEST

static void wipe(const char *name, const char *job)
{
	struct vp *v = roster_find_vp(r, name);

	ck_assert_int_eq(roster_add_command(r, v, job, false, &e), 0);
	ck_assert_int_eq(roster_record_wipe_bytes(r,
						  roster_find_command(r, job),
						  99, "ext4", &e),
			 0);
	ck_assert_int_eq(roster_complete_erase(r, v, &e), 0);
}

START_TEST(ranges_of_ids_are_never_used_again)
{
	uint32_t last = 0;

	for (int i = 0; i < 5; i++) {
		char job[16];
		uint32_t number;

		ck_assert_int_eq(apply(both), 0);
		number = roster_find_vp(r, "work")->number;
		ck_assert_uint_gt(number, last);
		ck_assert_uint_ne(number,
				  roster_find_vp(r, "personal")->number);
		ck_assert_uint_ge(number, VP_RANGE_FIRST);
		last = number;
		snprintf(job, sizeof(job), "job-%d", i);
		wipe("work", job);
		if (i % 2)
			reopen();
	}
}
END_TEST

START_TEST(kept_vp_keeps_its_range)
{
	uint32_t number;

	apply(both);
	number = roster_find_vp(r, "work")->number;
	apply(one);
	ck_assert(!roster_find_vp(r, "work")->named);
	reopen();
	apply(both);
	ck_assert_uint_eq(roster_find_vp(r, "work")->number, number);
	ck_assert(roster_find_vp(r, "work")->named);
}
END_TEST

START_TEST(running_vp_is_found_again_in_the_same_boot_only)
{
	char leaf[VP_CGROUP_SIZE];
	struct vp *v;

	apply(both);
	ck_assert_int_eq(start("work"), 0);
	memcpy(leaf, roster_find_vp(r, "work")->run->cgroup_name, sizeof(leaf));
	ck_assert_int_eq(
		roster_set_foreground(r, roster_find_vp(r, "work"), &e), 0);
	reopen();
	v = roster_find_vp(r, "work");
	ck_assert_int_eq(v->state, VP_STATE_FOREGROUND);
	ck_assert_ptr_eq(roster_get_foreground(r), v);
	ck_assert_str_eq(v->run->cgroup_name, leaf);
	reopen_in("boot-2");
	v = roster_find_vp(r, "work");
	ck_assert_int_eq(v->state, VP_STATE_STOPPED);
	ck_assert_ptr_null(v->run);
	ck_assert_ptr_null(roster_get_foreground(r));
	/* A cgroup's name is never used again. */
	ck_assert_int_eq(start("work"), 0);
	ck_assert_str_ne(leaf, v->run->cgroup_name);
}
END_TEST

START_TEST(prepared_vp_is_found_again_and_is_stopped)
{
	char leaf[VP_CGROUP_SIZE];
	struct vp *v;

	apply(both);
	v = roster_find_vp(r, "work");
	ck_assert_int_eq(roster_record_prepare(r, v, &e), 0);
	ck_assert_int_eq(v->state, VP_STATE_INSTALLED);
	memcpy(leaf, v->ready->cgroup_name, sizeof(leaf));
	reopen();
	v = roster_find_vp(r, "work");
	ck_assert_int_eq(v->state, VP_STATE_INSTALLED);
	ck_assert_ptr_null(v->run);
	ck_assert_str_eq(v->ready->cgroup_name, leaf);
	roster_log_write_all(r);
	ck_assert_int_eq(journal_rewrite(r->journal, &e), 0);
	reopen();
	ck_assert_str_eq(roster_find_vp(r, "work")->ready->cgroup_name, leaf);
	ck_assert_int_eq(start("work"), 0);
	reopen();
	v = roster_find_vp(r, "work");
	ck_assert_ptr_null(v->ready);
	ck_assert_str_eq(v->run->cgroup_name, leaf);
	/* It was counted once. */
	ck_assert_uint_eq(r->starts, 1);
	roster_record_prepare(r, roster_find_vp(r, "personal"), &e);
	reopen_in("boot-2");
	ck_assert_ptr_null(roster_find_vp(r, "personal")->ready);
	ck_assert_uint_eq(r->starts, 2);
}
END_TEST

START_TEST(only_another_config_is_another_edition)
{
	struct firewall_allow host = { .address = 1, .prefix = 32 };
	struct vp *v;

	apply(both);
	v = roster_find_vp(r, "work");
	ck_assert_int_eq(roster_record_prepare(r, v, &e), 0);
	apply(both);
	ck_assert_uint_eq(v->ready->edition, v->edition);
	v->conf.pids_max++;
	apply(both);
	ck_assert_uint_eq(v->ready->edition + 1, v->edition);
	v->conf.layer[0][10] = 'f';
	apply(both);
	ck_assert_uint_eq(v->ready->edition + 2, v->edition);
	vp_conf_add_allow(&v->conf, &host, &e);
	apply(both);
	ck_assert_uint_eq(v->ready->edition + 3, v->edition);
	vp_conf_set_property(&v->conf, "init", "/bin/init", &e);
	apply(both);
	ck_assert_uint_eq(v->ready->edition + 4, v->edition);
	apply(both);
	ck_assert_uint_eq(v->ready->edition + 4, v->edition);
}
END_TEST

START_TEST(locked_vp_stays_locked)
{
	struct vp *v;

	apply(both);
	v = roster_find_vp(r, "work");
	ck_assert_int_eq(roster_apply_event(r, v, VP_EVENT_LOCK, &e), 0);
	ck_assert_int_eq(start("work"), -EBUSY);
	ck_assert_int_eq(e.reason, REASON_VP_STATE);
	reopen_in("boot-2");
	v = roster_find_vp(r, "work");
	ck_assert_int_eq(v->state, VP_STATE_LOCKED);
	ck_assert_int_eq(roster_set_foreground(r, v, &e), -EBUSY);
	ck_assert_int_eq(apply(both), 0);
	ck_assert_int_eq(roster_find_vp(r, "work")->state, VP_STATE_LOCKED);
}
END_TEST

START_TEST(job_is_remembered_until_it_is_forgotten)
{
	struct roster_command *job;

	apply(both);
	ck_assert_int_eq(
		roster_add_command(r, roster_find_vp(r, "work"), "j", true, &e),
		0);
	ck_assert_int_eq(roster_forget_command(r, "j", &e), -EBUSY);
	reopen();
	ck_assert_int_eq(roster_find_vp(r, "work")->state, VP_STATE_WIPING);
	job = roster_find_command(r, "j");
	ck_assert(job->remove && !job->done);
	ck_assert_int_eq(roster_record_wipe_bytes(r, job, 4096, "ext4", &e), 0);
	ck_assert_int_eq(
		roster_complete_erase(r, roster_find_vp(r, "work"), &e), 0);
	reopen();
	ck_assert_ptr_null(roster_find_vp(r, "work"));
	job = roster_find_command(r, "j");
	ck_assert(job->done);
	ck_assert_uint_eq(job->bytes, 4096);
	ck_assert_int_eq(roster_forget_command(r, "j", &e), 0);
	reopen();
	ck_assert_ptr_null(roster_find_command(r, "j"));
}
END_TEST

/* What a roster is, as text, to compare two of them. */
static char *picture(void)
{
	static char text[2][16384];
	static int which;
	char *s = text[which ^= 1], *at = s;

	at += sprintf(at, "%s %u %d;", r->foreground, r->next_number,
		      (int)r->starts);
	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		if (v->state == VP_STATE_ABSENT && !v->number)
			continue;
		at += sprintf(at, "%s %u %s %d %s %s %u;", v->name, v->number,
			      vp_state_name(v->state), v->named,
			      v->run ? v->run->cgroup_name : "-",
			      v->ready ? v->ready->cgroup_name : "-",
			      v->right[CELLS_CLASS_CAMERA].right.use);
	}
	for (unsigned int i = 0; i < r->n_jobs; i++)
		at += sprintf(at, "%s %s %d %d;", r->job[i]->id, r->job[i]->vp,
			      r->job[i]->done, (int)r->job[i]->bytes);
	return s;
}

static void live(void)
{
	apply(both);
	start("work");
	start("personal");
	roster_set_foreground(r, roster_find_vp(r, "work"), &e);
	apply(one);
	roster_record_auto_start(r, roster_find_vp(r, "personal"), &e);
	roster_add_command(r, roster_find_vp(r, "personal"), "j", false, &e);
}

/* What there is to destroy is recorded by the first note: later there is less.
 */
START_TEST(what_a_wipe_destroys_is_remembered)
{
	struct roster_command *job;
	struct vp *work;

	apply(both);
	work = roster_find_vp(r, "work");
	ck_assert_int_eq(roster_add_command(r, work, "j", false, &e), 0);
	ck_assert_int_eq(roster_record_wipe_plan(r, work, 2, 1, "abcd", &e), 0);
	ck_assert_int_eq(roster_record_wipe_step(r, work, "evict", &e), 0);
	reopen();
	work = roster_find_vp(r, "work");
	ck_assert_int_eq(roster_record_wipe_plan(r, work, 0, 0, "", &e), 0);
	ck_assert_int_eq(roster_record_incomplete(r, work, &e), 0);
	roster_log_write_all(r);
	ck_assert_int_eq(journal_rewrite(r->journal, &e), 0);
	reopen();
	job = roster_find_command(r, "j");
	ck_assert_uint_eq(job->slots, 2);
	ck_assert_uint_eq(job->keys, 1);
	ck_assert_str_eq(job->key_id, "abcd");
	ck_assert(job->incomplete);
}
END_TEST

START_TEST(log_written_anew_says_the_same)
{
	char *before;

	live();
	before = picture();
	roster_log_write_all(r);
	ck_assert_int_eq(journal_rewrite(r->journal, &e), 0);
	ck_assert_str_eq(picture(), before);
	reopen();
	ck_assert_str_eq(picture(), before);
}
END_TEST

/* Each operation with the n-th system call failing: memory and log agree. */
static int do_apply(void)
{
	return apply(one);
}

static int do_prepare(void)
{
	return roster_record_prepare(r, roster_find_vp(r, "personal"), &e);
}

static int do_start(void)
{
	return start("personal");
}

static int do_front(void)
{
	return roster_set_foreground(r, roster_find_vp(r, "work"), &e);
}

static int do_lock(void)
{
	return roster_apply_event(r, roster_find_vp(r, "personal"),
				  VP_EVENT_LOCK, &e);
}

static int do_job(void)
{
	return roster_add_command(r, roster_find_vp(r, "personal"), "k", true,
				  &e);
}

static int (*const operations[])(void) = { do_apply, do_prepare, do_start,
					   do_front, do_lock,	 do_job };

START_TEST(failed_operation_changes_nothing)
{
	for (unsigned int n = 1;; n++) {
		char before[16384];
		bool fired;
		int code;

		teardown();
		setup();
		apply(both);
		start("work");
		if (operations[_i] != do_prepare)
			do_prepare();
		snprintf(before, sizeof(before), "%s", picture());
		fault_at(n);
		code = operations[_i]();
		fired = fault_fired();
		fault_at(0);
		if (fired) {
			ck_assert_int_lt(code, 0);
			ck_assert_str_eq(picture(), before);
		}
		snprintf(before, sizeof(before), "%s", picture());
		reopen();
		ck_assert_str_eq(picture(), before);
		if (!fired)
			break;
	}
}
END_TEST

START_TEST(rights_follow_the_front)
{
	struct vp *work, *personal;

	apply(both);
	work = roster_find_vp(r, "work");
	personal = roster_find_vp(r, "personal");
	personal->right[CELLS_CLASS_CAMERA].right =
		(struct cells_right){ CELLS_USE_ANY, 0 };
	ck_assert_uint_eq(vp_get_allowed_classes(work, NULL), 0);
	ck_assert_uint_eq(vp_get_allowed_classes(personal, NULL),
			  1U << CELLS_CLASS_CAMERA);
	ck_assert_uint_eq(vp_get_allowed_classes(work, work),
			  1U << CELLS_CLASS_CAMERA);
	ck_assert_uint_eq(vp_get_allowed_classes(personal, work), 0);
	ck_assert_uint_eq(vp_get_allowed_classes(personal, personal),
			  1U << CELLS_CLASS_CAMERA);
	ck_assert_uint_eq(vp_get_allowed_classes(work, personal), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, desired_state_is_read_back);
	tcase_add_test(tc, ranges_of_ids_are_never_used_again);
	tcase_add_test(tc, kept_vp_keeps_its_range);
	tcase_add_test(tc, running_vp_is_found_again_in_the_same_boot_only);
	tcase_add_test(tc, prepared_vp_is_found_again_and_is_stopped);
	tcase_add_test(tc, only_another_config_is_another_edition);
	tcase_add_test(tc, locked_vp_stays_locked);
	tcase_add_test(tc, job_is_remembered_until_it_is_forgotten);
	tcase_add_test(tc, what_a_wipe_destroys_is_remembered);
	tcase_add_test(tc, log_written_anew_says_the_same);
	tcase_add_loop_test(tc, failed_operation_changes_nothing, 0,
			    ARRAY_SIZE(operations));
	tcase_add_test(tc, rights_follow_the_front);
}

UNIT_MAIN("roster", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/vp_table.h"

#include "cellsd/vp/journal.h"
#include "cellsd/vp/vp_table_log.h"
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
static struct vp_table *r;
static struct err e;

static void reopen_in(const char *boot)
{
	vp_table_free(steal(r));
	ck_assert_msg(vp_table_open(path, boot, &r, &e) == 0, "%s", e.text);
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
	vp_table_free(steal(r));
}

/* Names, NULL ends them; each may use the camera in front, and keeps handles.
 */
static int apply(const char *const *names)
{
	AUTO(vp_table_desired_fini)
	struct vp_table_desired w = { .generation = 7 };

	for (; *names; names++) {
		struct vp *v = vp_new(*names, &e);

		vp_conf_add_layer(&v->conf, DIGEST, &e);
		vp_conf_set_property(&v->conf, "label", "A  label\n%", &e);
		vp_conf_set_property(&v->conf, "memory-max", "123", &e);
		v->right[CELLS_CLASS_CAMERA].right.use = CELLS_USE_FRONT;
		v->right[CELLS_CLASS_CAMERA].right.block = 1;
		w.vp[w.n++] = v;
	}
	return vp_table_apply_desired(r, &w, &e);
}

/* As every start is: first it is prepared. */
static int start(const char *name)
{
	struct vp *v = vp_table_find_vp(r, name);
	int code = v->prepared ? 0 : vp_table_record_prepare(r, v, &e);

	return code < 0 ? code : vp_table_record_start(r, v, &e);
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
	v = vp_table_find_vp(r, "work");
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

static void wipe(const char *name, const char *command)
{
	struct vp *v = vp_table_find_vp(r, name);

	ck_assert_int_eq(vp_table_add_command(r, v, command, false, &e), 0);
	ck_assert_int_eq(
		vp_table_record_wipe_bytes(r, vp_table_find_command(r, command),
					   99, "ext4", &e),
		0);
	ck_assert_int_eq(vp_table_complete_erase(r, v, &e), 0);
}

START_TEST(ranges_of_ids_are_never_used_again)
{
	uint32_t last = 0;

	for (int i = 0; i < 5; i++) {
		char command[16];
		uint32_t number;

		ck_assert_int_eq(apply(both), 0);
		number = vp_table_find_vp(r, "work")->number;
		ck_assert_uint_gt(number, last);
		ck_assert_uint_ne(number,
				  vp_table_find_vp(r, "personal")->number);
		ck_assert_uint_ge(number, VP_RANGE_FIRST);
		last = number;
		snprintf(command, sizeof(command), "job-%d", i);
		wipe("work", command);
		if (i % 2)
			reopen();
	}
}
END_TEST

START_TEST(kept_vp_keeps_its_range)
{
	uint32_t number;

	apply(both);
	number = vp_table_find_vp(r, "work")->number;
	apply(one);
	ck_assert(!vp_table_find_vp(r, "work")->is_desired);
	reopen();
	apply(both);
	ck_assert_uint_eq(vp_table_find_vp(r, "work")->number, number);
	ck_assert(vp_table_find_vp(r, "work")->is_desired);
}
END_TEST

START_TEST(running_vp_is_found_again_in_the_same_boot_only)
{
	char leaf[VP_CGROUP_SIZE];
	struct vp *v;

	apply(both);
	ck_assert_int_eq(start("work"), 0);
	memcpy(leaf, vp_table_find_vp(r, "work")->run->cgroup_name,
	       sizeof(leaf));
	ck_assert_int_eq(
		vp_table_set_foreground(r, vp_table_find_vp(r, "work"), &e), 0);
	reopen();
	v = vp_table_find_vp(r, "work");
	ck_assert_int_eq(v->state, VP_STATE_FOREGROUND);
	ck_assert_ptr_eq(vp_table_get_foreground(r), v);
	ck_assert_str_eq(v->run->cgroup_name, leaf);
	reopen_in("boot-2");
	v = vp_table_find_vp(r, "work");
	ck_assert_int_eq(v->state, VP_STATE_STOPPED);
	ck_assert_ptr_null(v->run);
	ck_assert_ptr_null(vp_table_get_foreground(r));
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
	v = vp_table_find_vp(r, "work");
	ck_assert_int_eq(vp_table_record_prepare(r, v, &e), 0);
	ck_assert_int_eq(v->state, VP_STATE_INSTALLED);
	memcpy(leaf, v->prepared->cgroup_name, sizeof(leaf));
	reopen();
	v = vp_table_find_vp(r, "work");
	ck_assert_int_eq(v->state, VP_STATE_INSTALLED);
	ck_assert_ptr_null(v->run);
	ck_assert_str_eq(v->prepared->cgroup_name, leaf);
	vp_table_log_write_all(r);
	ck_assert_int_eq(journal_rewrite(r->journal, &e), 0);
	reopen();
	ck_assert_str_eq(vp_table_find_vp(r, "work")->prepared->cgroup_name,
			 leaf);
	ck_assert_int_eq(start("work"), 0);
	reopen();
	v = vp_table_find_vp(r, "work");
	ck_assert_ptr_null(v->prepared);
	ck_assert_str_eq(v->run->cgroup_name, leaf);
	/* It was counted once. */
	ck_assert_uint_eq(r->starts, 1);
	vp_table_record_prepare(r, vp_table_find_vp(r, "personal"), &e);
	reopen_in("boot-2");
	ck_assert_ptr_null(vp_table_find_vp(r, "personal")->prepared);
	ck_assert_uint_eq(r->starts, 2);
}
END_TEST

START_TEST(only_another_config_is_another_edition)
{
	struct firewall_allow host = { .address = 1, .prefix = 32 };
	struct vp *v;

	apply(both);
	v = vp_table_find_vp(r, "work");
	ck_assert_int_eq(vp_table_record_prepare(r, v, &e), 0);
	apply(both);
	ck_assert_uint_eq(v->prepared->edition, v->edition);
	v->conf.pids_max++;
	apply(both);
	ck_assert_uint_eq(v->prepared->edition + 1, v->edition);
	v->conf.layer[0][10] = 'f';
	apply(both);
	ck_assert_uint_eq(v->prepared->edition + 2, v->edition);
	vp_conf_add_allow(&v->conf, &host, &e);
	apply(both);
	ck_assert_uint_eq(v->prepared->edition + 3, v->edition);
	vp_conf_set_property(&v->conf, "init", "/bin/init", &e);
	apply(both);
	ck_assert_uint_eq(v->prepared->edition + 4, v->edition);
	apply(both);
	ck_assert_uint_eq(v->prepared->edition + 4, v->edition);
}
END_TEST

START_TEST(locked_vp_stays_locked)
{
	struct vp *v;

	apply(both);
	v = vp_table_find_vp(r, "work");
	ck_assert_int_eq(vp_table_apply_event(r, v, VP_EVENT_LOCK, &e), 0);
	ck_assert_int_eq(start("work"), -EBUSY);
	ck_assert_int_eq(e.reason, REASON_VP_STATE);
	reopen_in("boot-2");
	v = vp_table_find_vp(r, "work");
	ck_assert_int_eq(v->state, VP_STATE_LOCKED);
	ck_assert_int_eq(vp_table_set_foreground(r, v, &e), -EBUSY);
	ck_assert_int_eq(apply(both), 0);
	ck_assert_int_eq(vp_table_find_vp(r, "work")->state, VP_STATE_LOCKED);
}
END_TEST

START_TEST(job_is_remembered_until_it_is_forgotten)
{
	struct vp_table_command *command;

	apply(both);
	ck_assert_int_eq(vp_table_add_command(r, vp_table_find_vp(r, "work"),
					      "j", true, &e),
			 0);
	ck_assert_int_eq(vp_table_forget_command(r, "j", &e), -EBUSY);
	reopen();
	ck_assert_int_eq(vp_table_find_vp(r, "work")->state, VP_STATE_WIPING);
	command = vp_table_find_command(r, "j");
	ck_assert(command->remove && !command->done);
	ck_assert_int_eq(
		vp_table_record_wipe_bytes(r, command, 4096, "ext4", &e), 0);
	ck_assert_int_eq(
		vp_table_complete_erase(r, vp_table_find_vp(r, "work"), &e), 0);
	reopen();
	ck_assert_ptr_null(vp_table_find_vp(r, "work"));
	command = vp_table_find_command(r, "j");
	ck_assert(command->done);
	ck_assert_uint_eq(command->bytes, 4096);
	ck_assert_int_eq(vp_table_forget_command(r, "j", &e), 0);
	reopen();
	ck_assert_ptr_null(vp_table_find_command(r, "j"));
}
END_TEST

/* What a VP table is, as text, to compare two of them. */
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
			      vp_state_name(v->state), v->is_desired,
			      v->run ? v->run->cgroup_name : "-",
			      v->prepared ? v->prepared->cgroup_name : "-",
			      v->right[CELLS_CLASS_CAMERA].right.use);
	}
	for (unsigned int i = 0; i < r->n_commands; i++)
		at += sprintf(at, "%s %s %d %d;", r->command[i]->id,
			      r->command[i]->vp, r->command[i]->done,
			      (int)r->command[i]->bytes);
	return s;
}

static void live(void)
{
	apply(both);
	start("work");
	start("personal");
	vp_table_set_foreground(r, vp_table_find_vp(r, "work"), &e);
	apply(one);
	vp_table_record_auto_start(r, vp_table_find_vp(r, "personal"), &e);
	vp_table_add_command(r, vp_table_find_vp(r, "personal"), "j", false,
			     &e);
}

/* What there is to destroy is recorded by the first note: later there is less.
 */
START_TEST(what_a_wipe_destroys_is_remembered)
{
	struct vp_table_command *command;
	struct vp *work;

	apply(both);
	work = vp_table_find_vp(r, "work");
	ck_assert_int_eq(vp_table_add_command(r, work, "j", false, &e), 0);
	ck_assert_int_eq(vp_table_record_wipe_plan(r, work, 2, 1, "abcd", &e),
			 0);
	ck_assert_int_eq(vp_table_record_wipe_step(r, work, "evict", &e), 0);
	reopen();
	work = vp_table_find_vp(r, "work");
	ck_assert_int_eq(vp_table_record_wipe_plan(r, work, 0, 0, "", &e), 0);
	ck_assert_int_eq(vp_table_record_incomplete(r, work, &e), 0);
	vp_table_log_write_all(r);
	ck_assert_int_eq(journal_rewrite(r->journal, &e), 0);
	reopen();
	command = vp_table_find_command(r, "j");
	ck_assert_uint_eq(command->slots, 2);
	ck_assert_uint_eq(command->keys, 1);
	ck_assert_str_eq(command->key_id, "abcd");
	ck_assert(command->incomplete);
}
END_TEST

START_TEST(log_written_anew_says_the_same)
{
	char *before;

	live();
	before = picture();
	vp_table_log_write_all(r);
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
	return vp_table_record_prepare(r, vp_table_find_vp(r, "personal"), &e);
}

static int do_start(void)
{
	return start("personal");
}

static int do_front(void)
{
	return vp_table_set_foreground(r, vp_table_find_vp(r, "work"), &e);
}

static int do_lock(void)
{
	return vp_table_apply_event(r, vp_table_find_vp(r, "personal"),
				    VP_EVENT_LOCK, &e);
}

static int do_job(void)
{
	return vp_table_add_command(r, vp_table_find_vp(r, "personal"), "k",
				    true, &e);
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
	work = vp_table_find_vp(r, "work");
	personal = vp_table_find_vp(r, "personal");
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

UNIT_MAIN("vp_table", add)

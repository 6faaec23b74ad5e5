/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/vp_data.h"

#include "cellsd/storage/data_image.h"
#include "cellsd/vp/vp.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char name[] = "work", no_recovery[] = "";
static struct vp vp;
static struct err e;
static const char *folder;
static int stage = -1;
static struct vp_data *data;

static void setup(void)
{
	folder = unit_folder();
	stage = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(vp_data_new(folder, stage, &data, &e) == 0, "%s", e.text);
	strcpy(vp.name, name);
	vp.number = 17;
	vp.conf.recovery = no_recovery;
}

static void teardown(void)
{
	vp_data_free(data);
	close(stage);
}

static void read_whole(const char *file, char **ret, size_t *ret_len)
{
	ck_assert_int_eq(io_read_file(unit_text("%s/%s", folder, file), 65536,
				      ret, ret_len, &e),
			 0);
}

static void assert_kept(const char *file, const char *want, size_t want_len)
{
	auto_free char *got = NULL;
	size_t len;

	read_whole(file, &got, &len);
	ck_assert_uint_eq(len, want_len);
	ck_assert_mem_eq(got, want, len);
}

static int evict(void)
{
	unsigned int keys;

	return vp_data_evict_key(data, &vp, &keys, &e);
}

static int bar(void)
{
	unsigned int slots;

	return vp_data_destroy_device_slot(data, &vp, &slots, &e);
}

static int open_data(void)
{
	auto_close int fd = -1;

	return vp_data_open(data, &vp, &fd, &e);
}

static int (*const calls[])(void) = { evict, bar, open_data };

/* Data that nobody can look for is not data that is not there. */
START_TEST(what_cannot_be_looked_for_is_not_absent)
{
	for (unsigned int n = 1; n <= 2; n++) {
		fault_at(n);
		ck_assert_int_eq(calls[_i](), -EIO);
		ck_assert(fault_fired());
		fault_at(0);
	}
	ck_assert_int_eq(evict(), 0);
	ck_assert_int_eq(bar(), 0);
}
END_TEST

START_TEST(no_failure_replaces_the_device_s_key)
{
	auto_free char *key = NULL;
	size_t len;

	read_whole("device.key", &key, &len);
	ck_assert_uint_eq(len, 32);
	for (unsigned int n = 1;; n++) {
		struct vp_data *again = NULL;
		bool fired;

		fault_at(n);
		vp_data_new(folder, stage, &again, &e);
		fired = fault_fired();
		fault_at(0);
		vp_data_free(again);
		assert_kept("device.key", key, len);
		if (!fired)
			break;
	}
}
END_TEST

START_TEST(what_is_made_replaces_nothing)
{
	ck_assert_int_eq(io_make_file(stage, "file", "old", 3, &e), 0);
	ck_assert_int_eq(io_make_file(stage, "file", "new", 3, &e), -EEXIST);
	if (access("/usr/sbin/mkfs.ext4", X_OK) == 0 ||
	    access("/sbin/mkfs.ext4", X_OK) == 0)
		ck_assert_int_eq(data_image_create(stage, "file",
						   DATA_IMAGE_SIZE_MIN, &e),
				 -EEXIST);
	assert_kept("file", "old", 3);
}
END_TEST

START_TEST(a_vault_is_attached_or_not_or_nobody_knows)
{
	bool attached = true;

	ck_assert_int_eq(data_image_is_attached(stage, "none", &attached, &e),
			 0);
	ck_assert(!attached);
	ck_assert_int_eq(symlinkat("none", stage, "link"), 0);
	ck_assert_int_eq(data_image_is_attached(stage, "link", &attached, &e),
			 -ELOOP);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, what_cannot_be_looked_for_is_not_absent, 0,
			    ARRAY_SIZE(calls));
	tcase_add_test(tc, no_failure_replaces_the_device_s_key);
	tcase_add_test(tc, what_is_made_replaces_nothing);
	tcase_add_test(tc, a_vault_is_attached_or_not_or_nobody_knows);
}

UNIT_MAIN("vp_data", add)

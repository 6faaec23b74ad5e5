/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/profile.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct profile *p;
static struct err e;

static void setup(void)
{
	p = profile_new();
}

static void teardown(void)
{
	profile_free(p);
}

static int parse(const char *text)
{
	auto_free char *copy = strdup(text);

	return profile_parse_text(p, "test.conf", copy, &e);
}

struct device {
	const char *subsystem, *sysname, *devname, *driver, *key, *value;
};

static const char *subsystem(void *arg)
{
	return ((struct device *)arg)->subsystem;
}

static const char *sysname(void *arg)
{
	return ((struct device *)arg)->sysname;
}

static const char *devname(void *arg)
{
	return ((struct device *)arg)->devname;
}

static const char *driver(void *arg)
{
	return ((struct device *)arg)->driver;
}

static const char *property(void *arg, const char *key)
{
	struct device *d = arg;

	return d->key && strcmp(d->key, key) == 0 ? d->value : NULL;
}

static uint32_t match(struct device d)
{
	const struct profile_device view = {
		subsystem, sysname, devname, driver, property, property, &d,
	};

	return profile_match_device(p, &view);
}

#define BIT(c) (1U << CELLS_CLASS_##c)

START_TEST(all_conditions_must_hold)
{
	ck_assert_msg(
		parse("# a comment\n\n"
		      "camera = subsystem video4linux\n"
		      "  gps=subsystem tty ,property GPS=1\r\n"
		      "modem = subsystem usbmisc, sysname cdc-wdm*, "
		      "driver qmi_*\n"
		      "speaker = subsystem sound, devname snd/pcm*p\n"
		      "storage = subsystem block, attribute removable=1") == 0,
		"%s", e.text);
	ck_assert_uint_eq(match((struct device){ "video4linux", "video0" }),
			  BIT(CAMERA));
	ck_assert_uint_eq(match((struct device){ "tty", "ttyS0", "ttyS0", NULL,
						 "GPS", "1" }),
			  BIT(GPS));
	ck_assert_uint_eq(match((struct device){ "tty", "ttyS0", "ttyS0", NULL,
						 "GPS", "0" }),
			  0);
	ck_assert_uint_eq(match((struct device){ "tty", "ttyS0" }), 0);
	ck_assert_uint_eq(match((struct device){ "usbmisc", "cdc-wdm0", NULL,
						 "qmi_wwan" }),
			  BIT(MODEM));
	ck_assert_uint_eq(match((struct device){ "usbmisc", "cdc-wdm0" }), 0);
	ck_assert_uint_eq(
		match((struct device){ "sound", "pcmC0D0p", "snd/pcmC0D0p" }),
		BIT(SPEAKER));
	ck_assert_uint_eq(match((struct device){ "block", "sdb", "sdb", NULL,
						 "removable", "1" }),
			  BIT(STORAGE));
	ck_assert_uint_eq(match((struct device){ NULL }), 0);
}
END_TEST

START_TEST(node_may_need_several_classes)
{
	ck_assert_int_eq(parse("microphone = subsystem sound\n"
			       "speaker = subsystem sound\n"),
			 0);
	ck_assert_uint_eq(match((struct device){ "sound", "controlC0" }),
			  BIT(MICROPHONE) | BIT(SPEAKER));
}
END_TEST

START_TEST(finer_class_stands_before_the_coarser)
{
	ck_assert_int_eq(parse("camera = subsystem video4linux\n"
			       "camera-front = subsystem video4linux, sysname "
			       "video1\n"),
			 0);
	ck_assert_uint_eq(match((struct device){ "video4linux", "video0" }),
			  BIT(CAMERA));
	ck_assert_uint_eq(match((struct device){ "video4linux", "video1" }),
			  BIT(CAMERA_FRONT));
}
END_TEST

static const struct {
	const char *text, *why;
} bad[] = {
	{ "camera", "test.conf:1: no '='" },
	{ "\n\nkamera = subsystem x", "test.conf:3: unknown class 'kamera'" },
	{ "camera =", "unknown condition ''" },
	{ "camera = path /dev/video0", "unknown condition 'path'" },
	{ "camera = subsystem", "subsystem needs a value" },
	{ "camera = subsystem a,", "unknown condition ''" },
	{ "camera = subsystem a, property B", "property needs KEY=VALUE" },
	{ "camera = subsystem a, property =B", "property needs KEY=VALUE" },
	{ "camera = sysname a", "the first condition is not a subsystem" },
	{ "camera = subsystem a,sysname a,sysname a,sysname a,sysname a,"
	  "sysname a,sysname a,sysname a,sysname a",
	  "more than 8 conditions" },
};

START_TEST(bad_line_is_named)
{
	ck_assert_int_eq(parse(bad[_i].text), -EINVAL);
	ck_assert_msg(strstr(e.text, bad[_i].why) != NULL, "%s", e.text);
	/* And leaves no half rule. */
	ck_assert_uint_eq(match((struct device){ "a", "a" }), 0);
}
END_TEST

static const char *const shipped[] = { "default", "demo" };

START_TEST(shipped_profile_can_be_read)
{
	const char *top = getenv("srcdir");
	char path[512];

	snprintf(path, sizeof(path), "%s/data/hardware.d/%s.conf",
		 top ? top : ".", shipped[_i]);
	ck_assert_msg(profile_read_file(p, path, &e) == 0, "%s", e.text);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_conditions_must_hold);
	tcase_add_test(tc, node_may_need_several_classes);
	tcase_add_test(tc, finer_class_stands_before_the_coarser);
	tcase_add_loop_test(tc, bad_line_is_named, 0, ARRAY_SIZE(bad));
	tcase_add_loop_test(tc, shipped_profile_can_be_read, 0,
			    ARRAY_SIZE(shipped));
}

UNIT_MAIN("profile", add)

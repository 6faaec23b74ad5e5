/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines are recorded in machines/NAME.devices. What each shipped profile
 * gives of them is in NAME.default; what is left of a profile that names all
 * there is, in NAME.everything.
 */
#include "cellsd/device/device_list.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DEVICES_MAX 128
#define WORDS_MAX 16
#define FILE_MAX (64 * 1024)

struct machine;

struct device {
	struct machine *machine;
	char *path, *subsystem, *type, *number, *node, *driver;
	char *more[WORDS_MAX];
	unsigned int n_more;
};

struct machine {
	char *text, *consoles;
	struct device device[DEVICES_MAX];
	unsigned int n;
};

static struct machine machine;
static struct profile *profile;
static struct err e;

static char *read_file(const char *name, const char *suffix)
{
	const char *top = getenv("srcdir");
	char path[512], *text;
	size_t len;

	snprintf(path, sizeof(path), "%s/tests/unit/machines/%s.%s",
		 top ? top : ".", name, suffix);
	ck_assert_msg(io_read_file(path, FILE_MAX, &text, &len, &e) == 0, "%s",
		      e.text);
	return text;
}

static char *word(char **rest)
{
	char *w = strsep(rest, " ");

	ck_assert_msg(w && *w, "a word is missing");
	return strcmp(w, "-") == 0 ? NULL : w;
}

static void add_device(char *line)
{
	struct device *d = &machine.device[machine.n++];
	char *more;

	ck_assert_uint_lt(machine.n, DEVICES_MAX);
	d->machine = &machine;
	d->path = word(&line);
	d->subsystem = word(&line);
	d->type = word(&line);
	d->number = word(&line);
	d->node = word(&line);
	d->driver = word(&line);
	while ((more = strsep(&line, " "))) {
		ck_assert_uint_lt(d->n_more, WORDS_MAX);
		d->more[d->n_more++] = more;
	}
}

static void load(const char *name)
{
	char *rest, *line;

	machine.text = rest = read_file(name, "devices");
	while ((line = strsep(&rest, "\n")))
		if (strncmp(line, "consoles ", 9) == 0)
			machine.consoles = line + 9;
		else if (*line && *line != '#')
			add_device(line);
}

static void setup(void)
{
	memset(&machine, 0, sizeof(machine));
	profile = profile_new();
}

static void teardown(void)
{
	profile_free(profile);
	free(machine.text);
}

/* ---- a recorded device, as device_list.h asks for it */

static const char *more(const struct device *d, const char *mark,
			const char *key)
{
	size_t n = strlen(mark), len = strlen(key);

	for (unsigned int i = 0; i < d->n_more; i++)
		if (strncmp(d->more[i], mark, n) == 0 &&
		    strncmp(d->more[i] + n, key, len) == 0 &&
		    d->more[i][n + len] == '=')
			return d->more[i] + n + len + 1;
	return NULL;
}

/* The nearest recorded device whose folder this one's is in. */
static struct device *parent(struct device *d)
{
	struct device *best = NULL;

	for (unsigned int i = 0; i < machine.n; i++) {
		struct device *other = &machine.device[i];
		size_t n = strlen(other->path);

		if (strncmp(other->path, d->path, n) == 0 &&
		    d->path[n] == '/' && (!best || n > strlen(best->path)))
			best = other;
	}
	return best;
}

static const char *get_subsystem(void *arg)
{
	return ((struct device *)arg)->subsystem;
}

static const char *get_sysname(void *arg)
{
	return strrchr(((struct device *)arg)->path, '/') + 1;
}

static const char *get_devname(void *arg)
{
	return ((struct device *)arg)->node;
}

static const char *get_driver(void *arg)
{
	struct device *d = arg;

	while (d && !d->driver)
		d = parent(d);
	return d ? d->driver : NULL;
}

static const char *get_property(void *arg, const char *key)
{
	return more(arg, "", key);
}

static const char *get_attribute(void *arg, const char *name)
{
	const char *value = NULL;

	for (struct device *d = arg; d && !value; d = parent(d))
		value = more(d, "@", name);
	return value;
}

static bool is_of(const struct device *d, const char *subsystem,
		  const char *type)
{
	return strcmp(d->subsystem, subsystem) == 0 &&
	       (!type || (d->type && strcmp(d->type, type) == 0));
}

static const char *get_above(void *arg, const char *subsystem, const char *type,
			     const char *attribute)
{
	struct device *d = arg;

	do
		d = parent(d);
	while (d && !is_of(d, subsystem, type));
	return d ? more(d, "@", attribute) : NULL;
}

static const char *get_hardware(void *arg)
{
	struct device *d = arg, *up = parent(d);

	while (d && !is_of(d, "usb", "usb_device"))
		d = parent(d);
	return d ? d->path : up ? up->path : NULL;
}

static dev_t number_of(const struct device *d)
{
	unsigned int high, low;

	return d->number && sscanf(d->number + 1, "%u:%u", &high, &low) == 2
		       ? makedev(high, low)
		       : 0;
}

static bool is_used(const struct device *d)
{
	for (unsigned int i = 0; i < d->n_more; i++)
		if (strcmp(d->more[i], "used") == 0)
			return true;
	return false;
}

static struct device_list *list(void)
{
	struct device_list *l;

	ck_assert_int_eq(device_list_new(profile, &l, &e), 0);
	for (unsigned int i = 0; i < machine.n; i++) {
		struct device *d = &machine.device[i];
		const struct device_facts item = {
			.ask = { get_subsystem, get_sysname, get_devname,
				 get_driver, get_property, get_attribute, d },
			.above = get_above,
			.path = d->path,
			.hardware = get_hardware,
			.number = number_of(d),
			.consoles = machine.consoles,
			.in_use = is_used(d),
		};

		device_list_add(l, &item);
	}
	device_list_finish(l);
	return l;
}

/* A line for each node that can be given: its name, and all that it needs. */
static char *given(void)
{
	AUTO(device_list_freep) struct device_list *l = list();
	char *text = NULL;
	size_t len, n;
	const struct device_list_item *item = device_list_items(l, &n);
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < n; i++) {
		if (!item[i].node.classes || item[i].reserved ||
		    strncmp(item[i].node.name, "power/", 6) == 0)
			continue;
		fprintf(f, "%s:", item[i].node.name);
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			if (item[i].node.classes >> c & 1)
				fprintf(f, " %s", class_name(c));
		fputc('\n', f);
	}
	fclose(f);
	return text;
}

static const char *const machines[] = { "laptop", "pinephone", "imx" };

START_TEST(shipped_profile_gives_what_is_expected)
{
	auto_free char *want = read_file(machines[_i], "default"), *got = NULL;
	const char *top = getenv("srcdir");
	char path[512];

	load(machines[_i]);
	snprintf(path, sizeof(path), "%s/data/hardware.d/default.conf",
		 top ? top : ".");
	ck_assert_msg(profile_read_file(profile, path, &e) == 0, "%s", e.text);
	got = given();
	ck_assert_str_eq(got, want);
}
END_TEST

/* Whatever an administrator writes, or a package of udev rules marks. */
START_TEST(profile_of_everything_gets_no_reserved_node)
{
	auto_free char *want = read_file(machines[_i], "everything"),
		       *got = NULL;
	char rule[] = "modem = subsystem *";

	load(machines[_i]);
	ck_assert_int_eq(profile_parse_text(profile, "test", rule, &e), 0);
	got = given();
	ck_assert_str_eq(got, want);
}
END_TEST

/* It would be where the VP's own is. */
static const char *const own_names[] = { "null",  "tty",   "ptmx",  "console",
					 "pts/7", "shm/x", "stdin", "mqueue" };

START_TEST(name_of_a_pseudo_node_is_reserved)
{
	struct device *d = &machine.device[0];
	char rule[] = "camera = subsystem video4linux", name[32];
	auto_free char *got = NULL;

	machine.n = 1;
	*d = (struct device){
		&machine, (char[]){ "x/video7" }, (char[]){ "video4linux" },
		NULL,	  (char[]){ "c81:7" },	  name
	};
	ck_assert_int_eq(profile_parse_text(profile, "test", rule, &e), 0);
	snprintf(name, sizeof(name), "video7");
	got = given();
	ck_assert_str_eq(got, "video7: camera\n");
	free(steal(got));
	snprintf(name, sizeof(name), "%s", own_names[_i]);
	got = given();
	ck_assert_str_eq(got, "");
}
END_TEST

/* In place of what a profile says: a word, and what the node then is. */
static const struct {
	const char *value, *given, *unknown;
} udev_rules[] = {
	{ "gps", "video7: gps\n", "" },
	{ " gps\tsensors ", "video7: gps sensors\n", "" },
	{ "camera camera-front", "video7: camera-front\n", "" },
	{ "none", "", "" },
	{ "", "", "" },
	{ "gps camra", "", "camra" },
	{ "Camera", "", "Camera" },
	{ "a-word-that-is-longer-than-each-class", "",
	  "a-word-that-is-longer-than-each" },
};

START_TEST(udev_rule_counts_in_place_of_the_profile)
{
	struct device *d = &machine.device[0];
	char rule[] = "camera = subsystem video4linux", property[128];
	AUTO(device_list_freep) struct device_list *l = NULL;
	auto_free char *got = NULL;
	size_t n;

	machine.n = 1;
	*d = (struct device){
		&machine, (char[]){ "x/video7" }, (char[]){ "video4linux" },
		NULL,	  (char[]){ "c81:7" },	  (char[]){ "video7" }
	};
	snprintf(property, sizeof(property), "CELLS_CLASS=%s",
		 udev_rules[_i].value);
	d->more[d->n_more++] = property;
	ck_assert_int_eq(profile_parse_text(profile, "test", rule, &e), 0);
	got = given();
	ck_assert_str_eq(got, udev_rules[_i].given);
	l = list();
	ck_assert_str_eq(device_list_items(l, &n)->unknown_class,
			 udev_rules[_i].unknown);
	ck_assert(*got || device_list_items(l, &n)->reserved);
}
END_TEST

/* Whatever a rule marks. */
START_TEST(udev_rule_gives_no_reserved_node)
{
	auto_free char *want = read_file(machines[_i], "everything"),
		       *got = NULL;
	char marked[] = "CELLS_CLASS=modem";

	load(machines[_i]);
	for (unsigned int i = 0; i < machine.n; i++) {
		struct device *d = &machine.device[i];

		ck_assert_uint_lt(d->n_more, WORDS_MAX);
		d->more[d->n_more++] = marked;
	}
	got = given();
	ck_assert_str_eq(got, want);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, shipped_profile_gives_what_is_expected, 0,
			    ARRAY_SIZE(machines));
	tcase_add_loop_test(tc, profile_of_everything_gets_no_reserved_node, 0,
			    ARRAY_SIZE(machines));
	tcase_add_loop_test(tc, udev_rule_counts_in_place_of_the_profile, 0,
			    ARRAY_SIZE(udev_rules));
	tcase_add_loop_test(tc, udev_rule_gives_no_reserved_node, 0,
			    ARRAY_SIZE(machines));
	tcase_add_loop_test(tc, name_of_a_pseudo_node_is_reserved, 0,
			    ARRAY_SIZE(own_names));
}

UNIT_MAIN("device_list", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FDS 16

static struct {
	char folder[64];
	pid_t owner;
} unit;

static int remove_entry(const char *path, const struct stat *st, int flag,
			struct FTW *ftw)
{
	return remove(path);
}

static void clean_up(void)
{
	if (unit.folder[0] && unit.owner == getpid())
		nftw(unit.folder, remove_entry, OPEN_FDS, FTW_DEPTH | FTW_PHYS);
}

const char *unit_folder(void)
{
	static unsigned int made;
	static char path[96];

	snprintf(path, sizeof(path), "%s/%d.%u", unit.folder, getpid(), made++);
	ck_assert_int_eq(access(path, F_OK), -1);
	if (mkdir(path, 0700) < 0)
		ck_abort_msg("mkdir %s", path);
	return path;
}

char *unit_text(const char *fmt, ...)
{
	static struct kept {
		struct kept *next;
		char *text;
	} * all;
	struct kept *k = calloc(1, sizeof(*k));
	va_list ap;

	ck_assert_ptr_nonnull(k);
	va_start(ap, fmt);
	ck_assert_int_ge(vasprintf(&k->text, fmt, ap), 0);
	va_end(ap);
	k->next = all;
	all = k;
	return k->text;
}

bool unit_is_wanted(const char *name)
{
	const char *only = getenv("UNIT_TEST");

	return !only || strcmp(only, name) == 0;
}

int unit_run(const char *name, void (*add)(TCase *tc))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr = srunner_create(s);

	strcpy(unit.folder, "/tmp/cells-unit.XXXXXX");
	unit.owner = getpid();
	if (!mkdtemp(unit.folder))
		return EXIT_FAILURE;
	atexit(clean_up);
	tcase_set_timeout(tc, 60);
	add(tc);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	srunner_free(sr);
	/* TAP says the rest. */
	return EXIT_SUCCESS;
}

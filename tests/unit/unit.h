/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each unit test's main() is: UNIT_MAIN("store", add) where
 * `static void add(TCase *tc)` adds its tests. Output is TAP.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <stdbool.h>

int unit_run(const char *name, void (*add)(TCase *tc));

/* A new empty folder, removed with all in it when the test program ends. */
const char *unit_folder(void);

/* Printed text, which lives until the test program ends. */
char *unit_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Makes the n-th (from 1) of the wrapped system calls fail with EIO, once;
 * tests that use it link with $(FAULT_WRAP). fault_at(0) switches it off.
 */
void fault_at(unsigned int n);
/* The n-th and all after it. */
void fault_from(unsigned int n);
bool fault_fired(void);

/* The same for pread(2), with which the database reads its files: the n-th call
 * from here on fails, once. A test links with nothing more. */
void fault_read_at(unsigned int n);
bool fault_read_fired(void);

/* With UNIT_TEST=NAME in the environment a program runs that one test only. */
bool unit_is_wanted(const char *name);
#undef tcase_add_test
#define tcase_add_test(tc, t)                                                  \
	do {                                                                   \
		if (unit_is_wanted(#t))                                        \
			tcase_add_test_raise_signal((tc), t, 0);               \
	} while (0)
#undef tcase_add_loop_test
#define tcase_add_loop_test(tc, t, from, to)                                   \
	do {                                                                   \
		if (unit_is_wanted(#t))                                        \
			tcase_add_loop_test_raise_signal((tc), t, 0, (from),   \
							 (to));                \
	} while (0)

#define UNIT_MAIN(name, add)                                                   \
	int main(void)                                                         \
	{                                                                      \
		return unit_run((name), add);                                  \
	}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/syscall_groups.h"

#include "cellsd/container/seccomp.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <seccomp.h>
#include <stdbool.h>
#include <string.h>

static struct err e;

static unsigned int times(int call)
{
	unsigned int n = 0;

	for (size_t g = 0; g < syscall_groups_n; g++)
		for (size_t i = 0; i < syscall_groups[g].n; i++)
			n += syscall_groups[g].call[i] == call;
	return n;
}

START_TEST(a_call_stands_in_one_group)
{
	const struct syscall_group *g = &syscall_groups[_i];

	ck_assert_uint_gt(strlen(g->reason), 4);
	for (size_t i = 0; i < g->n; i++)
		ck_assert_msg(times(g->call[i]) == 1, "%d in '%s'", g->call[i],
			      g->reason);
}
END_TEST

START_TEST(dangerous_calls_are_not_allowed)
{
	static const int calls[] = {
		SCMP_SYS(bpf),	       SCMP_SYS(init_module),
		SCMP_SYS(kexec_load),  SCMP_SYS(open_by_handle_at),
		SCMP_SYS(keyctl),      SCMP_SYS(io_uring_setup),
		SCMP_SYS(userfaultfd), SCMP_SYS(perf_event_open),
		SCMP_SYS(modify_ldt),  SCMP_SYS(finit_module),
		SCMP_SYS(reboot),      SCMP_SYS(syslog),
		SCMP_SYS(swapon),      SCMP_SYS(acct),
		SCMP_SYS(quotactl),    SCMP_SYS(settimeofday),
		SCMP_SYS(add_key),     SCMP_SYS(request_key),
	};

	for (size_t k = 0; k < ARRAY_SIZE(calls); k++)
		for (size_t g = 0; g < syscall_groups_n; g++)
			for (size_t i = 0; i < syscall_groups[g].n; i++)
				if (syscall_groups[g].call[i] == calls[k])
					ck_assert_int_ne(syscall_groups[g].code,
							 0);
}
END_TEST

START_TEST(filters_fit_the_kernel)
{
	AUTO(seccomp_filters_fini) struct seccomp_filters s = { 0 };

	ck_assert_msg(seccomp_filters_new(&s, &e) == 0, "%s", e.text);
	ck_assert_uint_gt(s.calls.len, 100);
	ck_assert_uint_lt(s.calls.len, BPF_MAXINSNS);
	ck_assert_uint_gt(s.arguments.len, 10);
	ck_assert_uint_lt(s.arguments.len, 256);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, a_call_stands_in_one_group, 0,
			    (int)syscall_groups_n);
	tcase_add_test(tc, dangerous_calls_are_not_allowed);
	tcase_add_test(tc, filters_fit_the_kernel);
}

UNIT_MAIN("syscall_groups", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/foreground_socket.h"
#include "cellsd/vp/vp.h"
#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>

static const struct {
	const char *attention, *notify, *kind;
	bool quiet;
	enum foreground_socket_result end;
} decisions[] = {
	{ "call", "", "call", true, FOREGROUND_SOCKET_SWITCHED },
	{ "call", "", "call", false, FOREGROUND_SOCKET_NOTIFIED },
	{ "sms call", "", "call", true, FOREGROUND_SOCKET_SWITCHED },
	{ "alarm", "call", "call", true, FOREGROUND_SOCKET_NOTIFIED },
	{ "call", "call", "call", true, FOREGROUND_SOCKET_SWITCHED },
	{ "", "", "alarm", true, FOREGROUND_SOCKET_IGNORED },
	{ "calls", "recall", "call", true, FOREGROUND_SOCKET_IGNORED },
	{ "call sms alarm", "", "mail", true, FOREGROUND_SOCKET_UNKNOWN },
	{ "call sms", "", "call sms", true, FOREGROUND_SOCKET_UNKNOWN },
	{ "call", "", "", true, FOREGROUND_SOCKET_UNKNOWN },
};

START_TEST(the_config_decides)
{
	const struct vp_conf c = {
		.attention = (char *)decisions[_i].attention,
		.notify = (char *)decisions[_i].notify,
	};

	ck_assert_str_eq(
		foreground_socket_result_name(foreground_socket_decide_request(
			&c, decisions[_i].kind, decisions[_i].quiet)),
		foreground_socket_result_name(decisions[_i].end));
}
END_TEST

START_TEST(three_at_once_then_one_each_ten_seconds)
{
	struct foreground_socket_bucket b = { 0 };
	uint64_t now = 1000 * FOREGROUND_SOCKET_EACH_NS;

	for (int i = 0; i < FOREGROUND_SOCKET_BURST; i++)
		ck_assert(foreground_socket_bucket_consume(&b, now));
	ck_assert(!foreground_socket_bucket_consume(&b, now));
	ck_assert(!foreground_socket_bucket_consume(
		&b, now + FOREGROUND_SOCKET_EACH_NS - 1));
	ck_assert(foreground_socket_bucket_consume(
		&b, now + FOREGROUND_SOCKET_EACH_NS));
	ck_assert(!foreground_socket_bucket_consume(
		&b, now + FOREGROUND_SOCKET_EACH_NS + 1));
	/* Half an interval that has passed is not lost. */
	ck_assert(foreground_socket_bucket_consume(
		&b, now + 5 * FOREGROUND_SOCKET_EACH_NS / 2));
	ck_assert(foreground_socket_bucket_consume(
		&b, now + 3 * FOREGROUND_SOCKET_EACH_NS));
	ck_assert(!foreground_socket_bucket_consume(
		&b, now + 3 * FOREGROUND_SOCKET_EACH_NS));
}
END_TEST

START_TEST(a_long_rest_gives_no_more_than_the_burst)
{
	struct foreground_socket_bucket b = { 0 };
	uint64_t now = 1;
	int n = 0;

	for (int i = 0; i < 10; i++)
		n += foreground_socket_bucket_consume(&b, now);
	ck_assert_int_eq(n, FOREGROUND_SOCKET_BURST);
	now = UINT64_MAX - 1;
	for (int i = 0; i < 10; i++)
		n += foreground_socket_bucket_consume(&b, now);
	ck_assert_int_eq(n, 2 * FOREGROUND_SOCKET_BURST);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, the_config_decides, 0, ARRAY_SIZE(decisions));
	tcase_add_test(tc, three_at_once_then_one_each_ten_seconds);
	tcase_add_test(tc, a_long_rest_gives_no_more_than_the_burst);
}

UNIT_MAIN("foreground_socket", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/notifications.h"
#include "cellsd/vp/vp.h"
#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>

static const struct {
	const char *attention, *notify, *kind;
	bool quiet;
	enum notifications_result end;
} decisions[] = {
	{ "call", "", "call", true, NOTIFICATIONS_SWITCHED },
	{ "call", "", "call", false, NOTIFICATIONS_NOTIFIED },
	{ "sms call", "", "call", true, NOTIFICATIONS_SWITCHED },
	{ "alarm", "call", "call", true, NOTIFICATIONS_NOTIFIED },
	{ "call", "call", "call", true, NOTIFICATIONS_SWITCHED },
	{ "", "", "alarm", true, NOTIFICATIONS_IGNORED },
	{ "calls", "recall", "call", true, NOTIFICATIONS_IGNORED },
	{ "call sms alarm", "", "mail", true, NOTIFICATIONS_UNKNOWN },
	{ "call sms", "", "call sms", true, NOTIFICATIONS_UNKNOWN },
	{ "call", "", "", true, NOTIFICATIONS_UNKNOWN },
};

START_TEST(the_config_decides)
{
	const struct vp_conf c = {
		.notifications = (char *)decisions[_i].attention,
		.notify = (char *)decisions[_i].notify,
	};

	ck_assert_str_eq(notifications_result_name(notifications_decide_request(
				 &c, decisions[_i].kind, decisions[_i].quiet)),
			 notifications_result_name(decisions[_i].end));
}
END_TEST

START_TEST(three_at_once_then_one_each_ten_seconds)
{
	struct notifications_bucket b = { 0 };
	uint64_t now = 1000 * NOTIFICATIONS_EACH_NS;

	for (int i = 0; i < NOTIFICATIONS_BURST; i++)
		ck_assert(notifications_bucket_consume(&b, now));
	ck_assert(!notifications_bucket_consume(&b, now));
	ck_assert(!notifications_bucket_consume(
		&b, now + NOTIFICATIONS_EACH_NS - 1));
	ck_assert(
		notifications_bucket_consume(&b, now + NOTIFICATIONS_EACH_NS));
	ck_assert(!notifications_bucket_consume(
		&b, now + NOTIFICATIONS_EACH_NS + 1));
	/* Half an interval that has passed is not lost. */
	ck_assert(notifications_bucket_consume(
		&b, now + 5 * NOTIFICATIONS_EACH_NS / 2));
	ck_assert(notifications_bucket_consume(
		&b, now + 3 * NOTIFICATIONS_EACH_NS));
	ck_assert(!notifications_bucket_consume(
		&b, now + 3 * NOTIFICATIONS_EACH_NS));
}
END_TEST

START_TEST(a_long_rest_gives_no_more_than_the_burst)
{
	struct notifications_bucket b = { 0 };
	uint64_t now = 1;
	int n = 0;

	for (int i = 0; i < 10; i++)
		n += notifications_bucket_consume(&b, now);
	ck_assert_int_eq(n, NOTIFICATIONS_BURST);
	now = UINT64_MAX - 1;
	for (int i = 0; i < 10; i++)
		n += notifications_bucket_consume(&b, now);
	ck_assert_int_eq(n, 2 * NOTIFICATIONS_BURST);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, the_config_decides, 0, ARRAY_SIZE(decisions));
	tcase_add_test(tc, three_at_once_then_one_each_ten_seconds);
	tcase_add_test(tc, a_long_rest_gives_no_more_than_the_burst);
}

UNIT_MAIN("notifications", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/notifications.h"
#include "cellsd/vp.h"
#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>

static const struct {
	const char *attention, *notify, *kind;
	bool quiet;
	enum attention_end end;
} decisions[] = {
	{ "call", "", "call", true, ATTENTION_SWITCHED },
	{ "call", "", "call", false, ATTENTION_NOTIFIED },
	{ "sms call", "", "call", true, ATTENTION_SWITCHED },
	{ "alarm", "call", "call", true, ATTENTION_NOTIFIED },
	{ "call", "call", "call", true, ATTENTION_SWITCHED },
	{ "", "", "alarm", true, ATTENTION_IGNORED },
	{ "calls", "recall", "call", true, ATTENTION_IGNORED },
	{ "call sms alarm", "", "mail", true, ATTENTION_UNKNOWN },
	{ "call sms", "", "call sms", true, ATTENTION_UNKNOWN },
	{ "call", "", "", true, ATTENTION_UNKNOWN },
};

START_TEST(the_config_decides)
{
	const struct vp_conf c = {
		.attention = (char *)decisions[_i].attention,
		.notify = (char *)decisions[_i].notify,
	};

	ck_assert_str_eq(attention_name(attention_decide(&c, decisions[_i].kind,
							 decisions[_i].quiet)),
			 attention_name(decisions[_i].end));
}
END_TEST

START_TEST(three_at_once_then_one_each_ten_seconds)
{
	struct attention_bucket b = { 0 };
	uint64_t now = 1000 * ATTENTION_EACH_NS;

	for (int i = 0; i < ATTENTION_BURST; i++)
		ck_assert(attention_take(&b, now));
	ck_assert(!attention_take(&b, now));
	ck_assert(!attention_take(&b, now + ATTENTION_EACH_NS - 1));
	ck_assert(attention_take(&b, now + ATTENTION_EACH_NS));
	ck_assert(!attention_take(&b, now + ATTENTION_EACH_NS + 1));
	/* Half an interval that has passed is not lost. */
	ck_assert(attention_take(&b, now + 5 * ATTENTION_EACH_NS / 2));
	ck_assert(attention_take(&b, now + 3 * ATTENTION_EACH_NS));
	ck_assert(!attention_take(&b, now + 3 * ATTENTION_EACH_NS));
}
END_TEST

START_TEST(a_long_rest_gives_no_more_than_the_burst)
{
	struct attention_bucket b = { 0 };
	uint64_t now = 1;
	int n = 0;

	for (int i = 0; i < 10; i++)
		n += attention_take(&b, now);
	ck_assert_int_eq(n, ATTENTION_BURST);
	now = UINT64_MAX - 1;
	for (int i = 0; i < 10; i++)
		n += attention_take(&b, now);
	ck_assert_int_eq(n, 2 * ATTENTION_BURST);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, the_config_decides, 0, ARRAY_SIZE(decisions));
	tcase_add_test(tc, three_at_once_then_one_each_ten_seconds);
	tcase_add_test(tc, a_long_rest_gives_no_more_than_the_burst);
}

UNIT_MAIN("attention", add)

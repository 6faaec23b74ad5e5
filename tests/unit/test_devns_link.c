/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel's own family of families: it knows no such request, and says
 * so. */
#include "cellsd/device/devns_link.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/netlink.h>

static bool is_refused;

int __wrap_genl_ctrl_resolve(struct nl_sock *s, const char *name);
int __wrap_genl_ctrl_resolve(struct nl_sock *s, const char *name)
{
	return GENL_ID_CTRL;
}

int __real_nl_send_auto(struct nl_sock *s, struct nl_msg *m);
/* The library itself calls it too. */
__attribute__((visibility("default"))) int
__wrap_nl_send_auto(struct nl_sock *s, struct nl_msg *m);
int __wrap_nl_send_auto(struct nl_sock *s, struct nl_msg *m)
{
	if (!is_refused)
		return __real_nl_send_auto(s, m);
	nl_complete_msg(s, m);
	return -NLE_NOMEM;
}

START_TEST(request_is_answered_after_one_that_failed)
{
	AUTO(devns_link_freep) struct devns_link *l = NULL;
	struct err e;

	ck_assert_msg(devns_link_open(&l, &e) == 0, "%s", e.text);
	ck_assert_int_eq(devns_link_ns_del(l, 1, &e), -EOPNOTSUPP);
	is_refused = true;
	ck_assert_int_eq(devns_link_ns_del(l, 1, &e), -ENOMEM);
	is_refused = false;
	ck_assert_int_eq(devns_link_ns_del(l, 1, &e), -EOPNOTSUPP);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, request_is_answered_after_one_that_failed);
}

UNIT_MAIN("devns_link", add)

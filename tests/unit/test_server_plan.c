/* SPDX-License-Identifier: Apache-2.0 */
/* A plan over a fleet is worked out in slices. */
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/mgmtd.h"
#include "mgmt-server/server.h"
#include "tests/unit/unit.h"
#include "tests/unit/unitserver.h"

#include <string.h>

#define DEVICES 3

static struct server *server;
static struct err e;

static void sql(const char *text)
{
	ck_assert_msg(db_exec(server->db, text, &e) == 0, "%s", e.text);
}

static void set_up(void)
{
	server = unit_server();
	sql("INSERT INTO device (id, name, grp, state, epoch, enrolled) VALUES"
	    " ('dev-0', 'x', 'field', 'active', 'e', 1),"
	    " ('dev-1', 'x', 'field', 'active', 'e', 1),"
	    " ('dev-2', 'x', 'field', 'active', 'e', 1)");
	sql("INSERT INTO epoch (device, epoch, enrolment, identity_spki,"
	    " receipt_spki, identity_cert, receipt_cert, bind, enrolled)"
	    " SELECT id, 'e', '', x'', x'', '', '', '', 1 FROM device");
}

static void tear_down(void)
{
	mgmtd_free(server);
}

START_TEST(plan_gives_way_behind_each_device_once_its_slice_is_over)
{
	struct request rq;
	int slices = 0, r;

	request_init(&rq, &server->requests);
	rq.body = strdup("{\"documents\":[]}");
	rq.len = strlen(rq.body);
	while ((r = plan_api_show_changes(&rq, &e)) == REQUEST_AGAIN)
		slices++;
	ck_assert_msg(r == 0, "%s", e.text);
	ck_assert_int_eq(slices, DEVICES);
	ck_assert_int_eq(rq.answer.status, 200);
	request_fini(&rq);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(
		tc, plan_gives_way_behind_each_device_once_its_slice_is_over);
}

UNIT_MAIN("server_plan", add)

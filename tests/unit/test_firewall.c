/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/net/firewall.h"
#include "cellsd/net/resolver.h"
#include "cellsd/vp/net.h"
#include "cellsd/vp/vp.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static struct err e;

static struct vp_conf plain, listed;

static void setup(void)
{
	const struct firewall_allow rows[] = {
		{ 0xc6336401, 32, 6, 443 },
		{ 0x0a000000, 8, 0, 0 },
		{ 0, 0, 0, 123 },
		{ 0xc0000200, 24, 17, 0 },
	};

	ck_assert_int_eq(vp_conf_init(&plain, &e), 0);
	ck_assert_int_eq(vp_conf_init(&listed, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_int_eq(vp_conf_add_allow(&listed, &rows[i], &e), 0);
	listed.net_rate = 4000000;
}

static void teardown(void)
{
	vp_conf_fini(&plain);
	vp_conf_fini(&listed);
}

static struct firewall_vp vp_of(uint32_t number, uint32_t address,
				const struct vp_conf *c)
{
	return (struct firewall_vp){ number,
				     address,
				     { c->net_rate, c->allow, c->n_allow } };
}

static char *text(const struct firewall_vp *vp, unsigned int n,
		  uint32_t resolver, bool closed)
{
	const struct firewall_plan plan = { resolver, closed, vp, n };
	char *s = firewall_build_ruleset(&plan);

	ck_assert_ptr_nonnull(s);
	return s;
}

#define HAS(s, what) ck_assert_msg(strstr(s, what), "no '%s' in\n%s", what, s)
#define HASNT(s, what) ck_assert_msg(!strstr(s, what), "'%s' in\n%s", what, s)

START_TEST(the_old_table_goes_in_the_same_transaction)
{
	auto_free char *s = text(NULL, 0, 0, false);

	ck_assert_int_eq(
		strncmp(s, "table inet cells\ndelete table inet cells\n", 41),
		0);
	HASNT(s, "elements");
	HASNT(s, "dnat ip to");
}
END_TEST

START_TEST(a_plain_vp_is_one_element)
{
	const struct firewall_vp vp[] = { vp_of(16, 0x0ad50001, &plain),
					  vp_of(17, 0x0ad50003, &plain) };
	auto_free char *s = text(vp, 2, 0xc0000201, false);

	HAS(s, "{ \"cells16\" . 10.213.0.1, \"cells17\" . 10.213.0.3 }");
	HAS(s, "dnat ip to 192.0.2.1");
	HASNT(s, "chain out16");
	HASNT(s, "goto out16");
}
END_TEST

START_TEST(a_list_ends_in_a_refusal)
{
	const struct firewall_vp vp[] = { vp_of(16, 0x0ad50001, &listed),
					  vp_of(17, 0x0ad50003, &plain) };
	auto_free char *s = text(vp, 2, 0xc0000201, false);
	const char *chain = strstr(s, "chain out16");

	ck_assert_ptr_nonnull(chain);
	HAS(chain, "ip daddr 198.51.100.1/32 tcp dport 443 accept");
	HAS(chain, "ip daddr 10.0.0.0/8 accept");
	HAS(chain, "ip daddr 0.0.0.0/0 meta l4proto { tcp, udp } th dport 123 "
		   "accept");
	HAS(chain, "ip daddr 192.0.2.0/24 meta l4proto udp accept");
	HAS(chain, "limit rate over 4000000 bytes/second burst 1000000 bytes "
		   "drop");
	ck_assert(strstr(chain, "192.0.2.0/24") < strstr(chain, "reject"));
	HAS(s, "10.213.0.1 : goto out16 }");
	HAS(s, "10.213.0.1 : goto in16 }");
	HASNT(s, "chain out17");
}
END_TEST

START_TEST(a_host_that_was_no_router_is_none_for_others)
{
	auto_free char *open = text(NULL, 0, 0, false);
	auto_free char *closed = text(NULL, 0, 0, true);

	ck_assert_uint_eq(strlen(closed), strlen(open) + strlen("  drop\n"));
}
END_TEST

static const struct {
	const char *text;
	uint32_t address;
} resolvers[] = {
	{ "", 0 },
	{ "nameserver 192.0.2.1\n", 0xc0000201 },
	{ "nameserver\t127.0.0.53", 0x7f000035 },
	{ "# nameserver 192.0.2.1\nsearch x\nnameserver 192.0.2.2 # own\n",
	  0xc0000202 },
	{ "nameserver 2001:db8::1\nnameserver 192.0.2.3\n", 0xc0000203 },
	{ "nameserver\n192.0.2.1\n", 0 },
	{ "nameservers 192.0.2.1\n", 0 },
	{ "nameserver 192.0.2\nnameserver 300.1.1.1\nnameserver  1.2.3.4.5.6",
	  0 },
	{ "nameserver 1111111111111111111111111111111111111111111111111\n", 0 },
	{ "nameserver 192.0.2.4\r\nnameserver 192.0.2.5\n", 0xc0000204 },
};

START_TEST(the_first_ipv4_server_is_taken)
{
	ck_assert_uint_eq(resolver_parse_text(resolvers[_i].text),
			  resolvers[_i].address);
}
END_TEST

static const char *const bad_ranges[] = {
	"",
	"10.0.0.0",
	"10.0.0.0/",
	"10.0.0.0/31",
	"10.0.0.0/7",
	"10.0.0.1/24",
	"x/24",
	"10.0.0/24",
	"10.0.0.0/24 ",
	"10.0.0.0/-8",
	"::/16",
	"1000000000000000000000/8",
};

START_TEST(bad_range_is_refused)
{
	struct net_options o;

	ck_assert_int_eq(net_parse_range(bad_ranges[_i], &o, &e), -EINVAL);
}
END_TEST

START_TEST(range_is_read)
{
	struct net_options o;

	ck_assert_int_eq(net_parse_range(NET_RANGE, &o, &e), 0);
	ck_assert_uint_eq(o.range, 0x0ad50000);
	ck_assert_uint_eq(o.prefix, 16);
}
END_TEST

static const struct firewall_allow bad_rows[] = {
	{ 0x0a000001, 8, 0, 0 },
	{ 0, 33, 0, 0 },
	{ 0, 0, 1, 0 },
	{ 0x00000001, 0, 0, 0 },
};

START_TEST(bad_row_is_refused)
{
	ck_assert_int_eq(vp_conf_add_allow(&plain, &bad_rows[_i], &e), -EINVAL);
	ck_assert_uint_eq(plain.n_allow, 0);
}
END_TEST

START_TEST(rows_go_through_the_log)
{
	ck_assert_int_eq(
		vp_conf_set_property(&plain, "allow", "167772160 8 6 443", &e),
		0);
	ck_assert_uint_eq(plain.allow[0].address, 0x0a000000);
	ck_assert_uint_eq(plain.allow[0].port, 443);
	ck_assert_int_eq(
		vp_conf_set_property(&plain, "allow", "10.0.0.0/8", &e),
		-EINVAL);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_old_table_goes_in_the_same_transaction);
	tcase_add_test(tc, a_plain_vp_is_one_element);
	tcase_add_test(tc, a_list_ends_in_a_refusal);
	tcase_add_test(tc, a_host_that_was_no_router_is_none_for_others);
	tcase_add_loop_test(tc, the_first_ipv4_server_is_taken, 0,
			    ARRAY_SIZE(resolvers));
	tcase_add_loop_test(tc, bad_range_is_refused, 0,
			    ARRAY_SIZE(bad_ranges));
	tcase_add_test(tc, range_is_read);
	tcase_add_loop_test(tc, bad_row_is_refused, 0, ARRAY_SIZE(bad_rows));
	tcase_add_test(tc, rows_go_through_the_log);
}

UNIT_MAIN("firewall", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/enroll_uri.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>

#define T "t=0101010101010101010101010101010101010101010101010101010101010101"
#define R                                                                      \
	"root="                                                                \
	"0202020202020202020202020202020202020202020202020202020202020202"
#define C "ca=0303030303030303030303030303030303030303030303030303030303030303"
#define G "group=field:5"
#define ALL T "&" R "&" C "&" G

static struct err e;

static const struct {
	const char *text, *host;
	uint16_t port;
} good[] = {
	{ "cells://mgmt.example.com:8443/?" ALL, "mgmt.example.com", 8443 },
	{ "cells://127.0.0.1:1/?" ALL, "127.0.0.1", 1 },
	{ "cells://[::1]:65535/?" ALL, "::1", 65535 },
};

START_TEST(uri_is_read_and_written_back)
{
	auto_free char *text = NULL;
	const uint8_t byte[] = { 1, 2, 3 };
	struct enroll_uri u;

	ck_assert_msg(enroll_uri_parse(good[_i].text, &u, &e) == 0, "%s",
		      e.text);
	ck_assert_str_eq(u.host, good[_i].host);
	ck_assert_uint_eq(u.port, good[_i].port);
	ck_assert_mem_eq(u.token, &byte[0], 1);
	ck_assert_mem_eq(u.root + 31, &byte[1], 1);
	ck_assert_mem_eq(u.ca, &byte[2], 1);
	ck_assert_str_eq(u.group, "field");
	ck_assert_uint_eq(u.group_min, 5);
	ck_assert_int_eq(enroll_uri_format(&u, &text, &e), 0);
	ck_assert_str_eq(text, good[_i].text);
}
END_TEST

START_TEST(order_of_the_parameters_is_free)
{
	struct enroll_uri u;

	ck_assert_int_eq(
		enroll_uri_parse("cells://h:1/?" G "&" C "&" R "&" T, &u, &e),
		0);
}
END_TEST

static const char *const bad[] = {
	"",
	"cells://",
	"http://h:1/?" ALL,
	"CELLS://h:1/?" ALL,
	"cells://h:1?" ALL,
	"cells://h:1/" ALL,
	"cells://h/?" ALL,
	"cells://:1/?" ALL,
	"cells://h:0/?" ALL,
	"cells://h:65536/?" ALL,
	"cells://h:01/?" ALL,
	"cells://h:+1/?" ALL,
	"cells://h: 1/?" ALL,
	"cells://h :1/?" ALL,
	"cells://-h:1/?" ALL,
	"cells://h/x:1/?" ALL,
	"cells://user@h:1/?" ALL,
	"cells://[::1:1/?" ALL,
	"cells://[]:1/?" ALL,
	"cells://[h]:1/?" ALL,
	"cells://::1:1/?" ALL,
	"cells://h:1/?" T "&" R "&" C,
	"cells://h:1/?" ALL "&" T,
	"cells://h:1/?" ALL "&",
	"cells://h:1/?" ALL "&x=1",
	"cells://h:1/?" ALL "#x",
	"cells://h:1/?" T "0&" R "&" C "&" G,
	"cells://h:1/?t=0&" R "&" C "&" G,
	"cells://h:1/?t=&" R "&" C "&" G,
	"cells://h:1/?t&" R "&" C "&" G,
	"cells://h:1/?t=0101010101010101010101010101010101010101010101010101010"
	"1010101AB&" R "&" C "&" G,
	"cells://h:1/?" T "&" R "&" C "&group=field",
	"cells://h:1/?" T "&" R "&" C "&group=field:0",
	"cells://h:1/?" T "&" R "&" C "&group=field:2147483648",
	"cells://h:1/?" T "&" R "&" C "&group=Field:1",
	"cells://h:1/?" T "&" R "&" C "&group=:1",
	"cells://h:1/?" T "&" R "&" C "&group=field:1:2",
};

START_TEST(other_text_is_refused_without_telling_the_token)
{
	struct enroll_uri u;

	ck_assert_int_eq(enroll_uri_parse(bad[_i], &u, &e), -EINVAL);
	ck_assert_ptr_null(strstr(e.text, "0101"));
}
END_TEST

START_TEST(endless_text_is_refused)
{
	char text[100000];
	struct enroll_uri u;

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "cells://", 8);
	ck_assert_int_eq(enroll_uri_parse(text, &u, &e), -EINVAL);
	/* A host that fits the URI but no name may be so long. */
	strcpy(text + 500, ":1/?" ALL);
	ck_assert_int_eq(enroll_uri_parse(text, &u, &e), -EINVAL);
}
END_TEST

/* By: printf admit | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101... */
START_TEST(derived_values_are_hmacs_of_the_token)
{
	uint8_t admit[HASH_SIZE], bind[HASH_SIZE], want[HASH_SIZE];
	const struct hash_part whole = { "bindidentityreceipts", 20 };
	char hex[2 * HASH_SIZE + 1];
	struct enroll_uri u;

	ck_assert_int_eq(enroll_uri_parse(good[0].text, &u, &e), 0);
	enroll_uri_compute_admit(&u, admit);
	encoding_to_hex(admit, sizeof(admit), hex);
	ck_assert_str_eq(hex, "516f004b80342707674595b6fbc3547b2cceef7546ee25f9"
			      "dc9dfe833ec3c6ce");
	enroll_uri_compute_bind(&u, "identity", 8, "receipts", 8, bind);
	hash_hmac(u.token, sizeof(u.token), &whole, 1, want);
	ck_assert_mem_eq(bind, want, HASH_SIZE);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, uri_is_read_and_written_back, 0,
			    ARRAY_SIZE(good));
	tcase_add_test(tc, order_of_the_parameters_is_free);
	tcase_add_loop_test(tc, other_text_is_refused_without_telling_the_token,
			    0, ARRAY_SIZE(bad));
	tcase_add_test(tc, endless_text_is_refused);
	tcase_add_test(tc, derived_values_are_hmacs_of_the_token);
}

UNIT_MAIN("enroll_uri", add)

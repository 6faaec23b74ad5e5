/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/admin_config.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static struct err e;

static const char *folder(void)
{
	static const char *made;

	if (!made)
		made = unit_folder();
	return made;
}

static void put(const char *name, const char *text)
{
	auto_free char *path = io_join(folder(), name);
	auto_free char *servers = io_join(folder(), "servers");

	ck_assert_int_eq(io_mkdirs(servers, 0700, &e), 0);
	ck_assert_int_eq(io_replace_file(path, text, strlen(text), 0600, &e),
			 0);
}

static struct admin_config sample(char *name)
{
	static char host[] = "mgmt.test", pem[] = "PEM", token[] = "secret";
	struct admin_config c = { .name = name,
				  .host = host,
				  .port = 9443,
				  .ca_pem = pem,
				  .token = token,
				  .has_root = true };

	memset(c.root, 7, sizeof(c.root));
	return c;
}

START_TEST(what_was_written_is_read_back)
{
	AUTO(admin_config_fini) struct admin_config got = { 0 };
	char name[] = "acme";
	struct admin_config c = sample(name);

	ck_assert_msg(admin_config_write(folder(), &c, false, &e) == 0, "%s",
		      e.text);
	ck_assert_msg(admin_config_read(folder(), NULL, &got, &e) == 0, "%s",
		      e.text);
	ck_assert_str_eq(got.name, "acme");
	ck_assert_str_eq(got.host, "mgmt.test");
	ck_assert_uint_eq(got.port, 9443);
	ck_assert_str_eq(got.ca_pem, "PEM");
	ck_assert_str_eq(got.token, "secret");
	ck_assert(got.has_root);
	ck_assert_mem_eq(got.root, c.root, HASH_SIZE);
}
END_TEST

START_TEST(second_server_does_not_become_the_default)
{
	AUTO(admin_config_fini) struct admin_config got = { 0 };
	char first[] = "first", second[] = "second";
	struct admin_config a = sample(first), b = sample(second);

	ck_assert_int_eq(admin_config_write(folder(), &a, true, &e), 0);
	ck_assert_int_eq(admin_config_write(folder(), &b, false, &e), 0);
	ck_assert_int_eq(admin_config_read(folder(), NULL, &got, &e), 0);
	ck_assert_str_eq(got.name, "first");
	admin_config_fini(&got);
	ck_assert_int_eq(admin_config_read(folder(), "second", &got, &e), 0);
	ck_assert_str_eq(got.name, "second");
}
END_TEST

START_TEST(unknown_server_is_enoent)
{
	struct admin_config got = { 0 };

	ck_assert_int_eq(admin_config_read(folder(), "nobody", &got, &e),
			 -ENOENT);
}
END_TEST

static const char *const bad_files[] = {
	"",
	"host = h\n",
	"host = h\nca = missing.pem\n",
	"host = h\nca = a.pem\nport = 0\n",
	"host = h\nca = a.pem\nport = 65536\n",
	"host = h\nca = a.pem\nroot = 12\n",
	"host = h\nca = a.pem\ntoken = x\ntoken-file = a.pem\n",
	"host = h\nca = a.pem\nhots = x\n",
};

START_TEST(bad_file_is_refused)
{
	struct admin_config got = { 0 };

	put("servers/a.pem", "PEM\n");
	put("servers/bad.conf", bad_files[_i]);
	ck_assert_int_lt(admin_config_read(folder(), "bad", &got, &e), 0);
	ck_assert_ptr_null(got.host);
}
END_TEST

static const char *const bad_names[] = { "", "..", "a/b", "../x" };

START_TEST(bad_name_is_refused)
{
	struct admin_config got = { 0 };

	ck_assert_int_eq(admin_config_read(folder(), bad_names[_i], &got, &e),
			 -EINVAL);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, what_was_written_is_read_back);
	tcase_add_test(tc, second_server_does_not_become_the_default);
	tcase_add_test(tc, unknown_server_is_enoent);
	tcase_add_loop_test(tc, bad_file_is_refused, 0, ARRAY_SIZE(bad_files));
	tcase_add_loop_test(tc, bad_name_is_refused, 0, ARRAY_SIZE(bad_names));
}

UNIT_MAIN("admin_config", add)

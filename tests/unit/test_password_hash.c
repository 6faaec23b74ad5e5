/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/password_hash.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#define PASSWORD "correct horse battery"

static struct err e;

/* By argon2(1), of PASSWORD and the salt "0123456789abcdef". */
static const char current[] =
	"$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg"
	"$UiBIPUuhY3xdXfQ7N3p/au05phWWk9ACmj5PdtUGaas";
static const char older[] =
	"$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9osgF9Vj/"
	"OWKKHDH0I89IVwT2taN4B89WCPCiZ5aS1Q";

START_TEST(hash_of_another_program_is_verified)
{
	ck_assert_msg(password_hash_verify(current, PASSWORD, &e) == 0, "%s",
		      e.text);
	ck_assert_int_eq(password_hash_verify(current, PASSWORD "s", &e),
			 -EACCES);
	ck_assert_int_eq(password_hash_verify(current, "", &e), -EACCES);
	ck_assert(password_hash_is_current(current));
}
END_TEST

START_TEST(hash_with_older_parameters_is_verified)
{
	ck_assert_msg(password_hash_verify(older, PASSWORD, &e) == 0, "%s",
		      e.text);
	ck_assert_int_eq(password_hash_verify(older, "", &e), -EACCES);
	ck_assert(!password_hash_is_current(older));
}
END_TEST

START_TEST(new_hash_has_the_recommended_parameters_and_a_salt)
{
	const char head[] = "$argon2id$v=19$m=65536,t=3,p=4$";
	char one[PASSWORD_HASH_SIZE], two[PASSWORD_HASH_SIZE];

	ck_assert_int_eq(password_hash_create(PASSWORD, one, &e), 0);
	ck_assert_int_eq(password_hash_create(PASSWORD, two, &e), 0);
	ck_assert_int_eq(strncmp(one, head, sizeof(head) - 1), 0);
	ck_assert_uint_eq(strlen(one), strlen(current));
	ck_assert_int_ne(
		strncmp(one + sizeof(head) - 1, two + sizeof(head) - 1, 22), 0);
	ck_assert(password_hash_is_current(one));
	ck_assert_int_eq(password_hash_verify(one, PASSWORD, &e), 0);
	ck_assert_int_eq(password_hash_verify(two, "password", &e), -EACCES);
}
END_TEST

#define SALT "MDEyMzQ1Njc4OWFiY2RlZg"
#define TAG "UiBIPUuhY3xdXfQ7N3p/au05phWWk9ACmj5PdtUGaas"

static const char *const bad_hashes[] = {
	"",
	"x",
	"$argon2id$v=19$m=65536,t=3,p=4$" SALT,
	"$argon2id$v=19$m=65536,t=3,p=4$" SALT "$" TAG "=",
	"$argon2id$v=19$m=65536,t=3,p=4$" SALT "$" TAG " ",
	"$argon2id$v=19$m=65536,t=3,p=4$" SALT "==$" TAG,
	"$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZh$" TAG,
	"$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFi$" TAG,
	"$argon2id$v=19$m=065536,t=3,p=4$" SALT "$" TAG,
	"$argon2id$v=19$m=+65536,t=3,p=4$" SALT "$" TAG,
	"$argon2id$v=16$m=65536,t=3,p=4$" SALT "$" TAG,
	"$argon2i$v=19$m=65536,t=3,p=4$" SALT "$" TAG,
	"$argon2d$v=19$m=65536,t=3,p=4$" SALT "$" TAG,
	/* out of bounds */
	"$argon2id$v=19$m=65537,t=3,p=4$" SALT "$" TAG,
	"$argon2id$v=19$m=31,t=3,p=4$" SALT "$" TAG,
	"$argon2id$v=19$m=65536,t=0,p=4$" SALT "$" TAG,
	"$argon2id$v=19$m=65536,t=17,p=4$" SALT "$" TAG,
	"$argon2id$v=19$m=65536,t=3,p=0$" SALT "$" TAG,
	"$argon2id$v=19$m=65536,t=3,p=5$" SALT "$" TAG,
};

START_TEST(other_text_and_costly_hashes_are_refused)
{
	ck_assert_int_eq(password_hash_verify(bad_hashes[_i], PASSWORD, &e),
			 -EBADMSG);
	ck_assert(!password_hash_is_current(bad_hashes[_i]));
}
END_TEST

START_TEST(nobody_has_a_current_hash_and_no_password)
{
	const char *hash = password_hash_of_nobody();

	ck_assert(password_hash_is_current(hash));
	ck_assert_uint_lt(strlen(hash), PASSWORD_HASH_SIZE);
	ck_assert_int_eq(password_hash_verify(hash, "", &e), -EACCES);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, hash_of_another_program_is_verified);
	tcase_add_test(tc, hash_with_older_parameters_is_verified);
	tcase_add_test(tc, new_hash_has_the_recommended_parameters_and_a_salt);
	tcase_add_loop_test(tc, other_text_and_costly_hashes_are_refused, 0,
			    ARRAY_SIZE(bad_hashes));
	tcase_add_test(tc, nobody_has_a_current_hash_and_no_password);
}

UNIT_MAIN("password_hash", add)

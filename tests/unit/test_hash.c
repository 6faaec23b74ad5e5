/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/hash.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/fnv.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>

static char hex[2 * HASH_SIZE + 1];

static const char *in_hex(const uint8_t digest[HASH_SIZE])
{
	encoding_to_hex(digest, HASH_SIZE, hex);
	return hex;
}

#define SHA256_ABC                                                             \
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

START_TEST(hash_is_that_of_fips_180)
{
	AUTO(hash_freep) struct hash *h = hash_new();
	uint8_t digest[HASH_SIZE];

	hash_sha256("abc", 3, digest);
	ck_assert_str_eq(in_hex(digest), SHA256_ABC);
	hash_add(h, "a", 1);
	hash_add(h, "", 0);
	hash_add(h, "bc", 2);
	hash_end(h, digest);
	ck_assert_str_eq(in_hex(digest), SHA256_ABC);
}
END_TEST

START_TEST(file_is_hashed_whole)
{
	auto_free char *path = NULL, *data = calloc(1, 200000);
	auto_close int fd = -1;
	uint8_t want[HASH_SIZE], got[HASH_SIZE];

	ck_assert_int_ge(asprintf(&path, "%s/f", unit_folder()), 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, data, 200000), 200000);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(hash_fd(fd, got), 0);
	hash_sha256(data, 200000, want);
	ck_assert_mem_eq(got, want, HASH_SIZE);
	ck_assert_int_eq(hash_fd(-1, got), -EBADF);
}
END_TEST

/* RFC 4231, cases 1, 2 and 6. */
START_TEST(hmac_is_that_of_the_rfc)
{
	static const char one[] = "Hi There";
	static const char six[] =
		"Test Using Larger Than Block-Size Key - Hash Key First";
	const struct hash_part whole = { one, 8 };
	const struct hash_part parts[] = { { "what do ya want ", 16 },
					   { "for nothing?", 12 } };
	const struct hash_part long_key = { six, sizeof(six) - 1 };
	uint8_t key[131], mac[HASH_SIZE];

	memset(key, 0x0b, 20);
	hash_hmac(key, 20, &whole, 1, mac);
	ck_assert_str_eq(in_hex(mac), "b0344c61d8db38535ca8afceaf0bf12b"
				      "881dc200c9833da726e9376c2e32cff7");
	hash_hmac("Jefe", 4, parts, 2, mac);
	ck_assert_str_eq(in_hex(mac), "5bdcc146bf60754e6a042426089575c7"
				      "5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	hash_hmac(key, sizeof(key), &long_key, 1, mac);
	ck_assert_str_eq(in_hex(mac), "60e431591ee0b67f0d8a26aacbf5b77f"
				      "8e0bc6213728c5140546040f0ee37f54");
}
END_TEST

START_TEST(comparing_sees_each_byte)
{
	uint8_t a[HASH_SIZE] = { 0 }, b[HASH_SIZE] = { 0 };

	ck_assert_int_eq(hash_compare(a, b, HASH_SIZE), 0);
	for (unsigned int i = 0; i < HASH_SIZE; i++) {
		b[i] = 0x80;
		ck_assert_int_ne(hash_compare(a, b, HASH_SIZE), 0);
		b[i] = 0;
	}
}
END_TEST

START_TEST(fnv_is_that_of_its_authors)
{
	ck_assert_uint_eq(fnv_add(FNV_START, "", 0),
			  UINT64_C(0xcbf29ce484222325));
	ck_assert_uint_eq(fnv_add(FNV_START, "foobar", 6),
			  UINT64_C(0x85944171f73967e8));
}
END_TEST

START_TEST(random_bytes_differ)
{
	uint8_t a[HASH_SIZE] = { 0 }, b[HASH_SIZE] = { 0 };

	hash_random(a, sizeof(a));
	hash_random(b, sizeof(b));
	ck_assert_mem_ne(a, b, HASH_SIZE);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, hash_is_that_of_fips_180);
	tcase_add_test(tc, file_is_hashed_whole);
	tcase_add_test(tc, hmac_is_that_of_the_rfc);
	tcase_add_test(tc, comparing_sees_each_byte);
	tcase_add_test(tc, fnv_is_that_of_its_authors);
	tcase_add_test(tc, random_bytes_differ);
}

UNIT_MAIN("hash", add)

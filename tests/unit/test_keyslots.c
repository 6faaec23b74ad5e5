/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/keyslot_file.h"

#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"
#include "lib/crypto/secure_memory.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define NAME "work.17"

/* Of the key 00 01 .. 3f; hmac of python3, as in tests/e2e/escrow.py. */
#define IDENTIFIER "8699c2c53707405da5aba5ae4d8583c0"
#define DEVICE_KEY                                                             \
	"263a4dbe41488fb87214b0032339dbb9f0c8da14c16dfcf13084bf3c2552eca5"

/* Wrapped by AESGCM of python3-cryptography, nonce 00 01 .. 0b. */
static const char by_device[] =
	"b3cc70f3031bf4de8797e2447a85876824659c35b3f04c87e8c0dae9f1e9"
	"71950fab345b9433790da3bebaf1382deff4b93789690e29d1685e53e1ea"
	"96504a8bb45e03f40db7311afab6b43b54ba06c9";
/* By "passcode", salt 00 01 .. 1f, 210,000 iterations. */
static const char by_passcode[] =
	"7301a270c0e1b81fda32a5d6b30de01af1ec0c1c9daf8836141e06bf1e1b"
	"7bf1860f9fc0d810065c580b9f5f974b9c383ec2a8b72d8e8d5af182e8d6"
	"df1f8e63fdbd119114fb1c834fdb9c1be68acf77";

static struct err e;
static struct secure_memory *key, *device;
static struct keyslots s;
static const char *folder;
static int dir = -1;

static struct secure_memory *secret_of(const void *data, size_t len)
{
	struct secure_memory *ret;

	ck_assert_msg(secure_memory_new(&ret, &e) == 0, "%s", e.text);
	memcpy(ret->bytes, data, len);
	ret->len = len;
	return ret;
}

static void count_up(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)i;
}

static void setup(void)
{
	uint8_t plain[KEYSLOTS_KEY_SIZE], by[32];

	count_up(plain, sizeof(plain));
	key = secret_of(plain, sizeof(plain));
	ck_assert_int_eq(encoding_from_hex(DEVICE_KEY, by, sizeof(by)), 0);
	device = secret_of(by, sizeof(by));
	memset(&s, 0, sizeof(s));
	snprintf(s.vp, sizeof(s.vp), "work");
	s.number = 17;
	ck_assert_int_eq(keyslots_identify_key(key, s.id, &e), 0);
	folder = unit_folder();
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir, 0);
	unlinkat(dir, NAME, 0);
}

static void teardown(void)
{
	fault_at(0);
	secure_memory_free(key);
	secure_memory_free(device);
	close(dir);
}

static void assert_opens(const struct keyslots *have)
{
	AUTO(secure_memory_freep) struct secure_memory *got = NULL;

	ck_assert_int_eq(secure_memory_new(&got, &e), 0);
	ck_assert_msg(keyslots_unwrap_device(have, device, got, &e) == 0, "%s",
		      e.text);
	ck_assert_mem_eq(got->bytes, key->bytes, KEYSLOTS_KEY_SIZE);
}

START_TEST(identifier_is_fscrypts)
{
	char hex[2 * KEYSLOTS_ID_SIZE + 1];

	encoding_to_hex(s.id, sizeof(s.id), hex);
	ck_assert_str_eq(hex, IDENTIFIER);
}
END_TEST

START_TEST(slots_of_another_implementation_open)
{
	AUTO(secure_memory_freep)
	struct secure_memory *got = NULL, *code = NULL;
	struct keyslot *p = &s.place[0];

	p->type = KEYSLOT_DEVICE;
	count_up(p->nonce, sizeof(p->nonce));
	ck_assert_int_eq(
		encoding_from_hex(by_device, p->wrapped, sizeof(p->wrapped)),
		0);
	assert_opens(&s);
	p = &s.place[1];
	p->type = KEYSLOT_PASSCODE;
	p->iterations = 210000;
	count_up(p->salt, sizeof(p->salt));
	count_up(p->nonce, sizeof(p->nonce));
	ck_assert_int_eq(
		encoding_from_hex(by_passcode, p->wrapped, sizeof(p->wrapped)),
		0);
	code = secret_of("passcode", 8);
	ck_assert_int_eq(secure_memory_new(&got, &e), 0);
	ck_assert_msg(keyslots_unwrap_passcode(&s, code, got, &e) == 0, "%s",
		      e.text);
	ck_assert_mem_eq(got->bytes, key->bytes, KEYSLOTS_KEY_SIZE);
}
END_TEST

static const char *const bad_passcodes[] = { "", "Passcode", "passcod",
					     "passcode " };

START_TEST(wrong_passcode_does_not_open)
{
	AUTO(secure_memory_freep)
	struct secure_memory *got = NULL, *code = NULL, *right = NULL;

	right = secret_of("passcode", 8);
	code = secret_of(bad_passcodes[_i], strlen(bad_passcodes[_i]));
	ck_assert_int_eq(
		keyslots_wrap_passcode(&s, right, key, &s.place[0], &e), 0);
	ck_assert_int_eq(secure_memory_new(&got, &e), 0);
	ck_assert_int_lt(keyslots_unwrap_passcode(&s, code, got, &e), 0);
	ck_assert_int_eq(e.reason, REASON_PASSWORD);
	ck_assert_uint_eq(got->len, 0);
}
END_TEST

/* Behind a zero byte nothing would be looked at; and nothing is not a passcode.
 */
START_TEST(passcode_is_not_empty_and_has_no_zero_byte)
{
	static const char longer[] = "passcode\0more";
	AUTO(secure_memory_freep)
	struct secure_memory *got = NULL, *right = NULL, *code = NULL,
			     *none = NULL;

	right = secret_of("passcode", 8);
	code = secret_of(longer, sizeof(longer) - 1);
	none = secret_of("", 0);
	ck_assert_int_eq(
		keyslots_wrap_passcode(&s, right, key, &s.place[0], &e), 0);
	ck_assert_int_eq(secure_memory_new(&got, &e), 0);
	ck_assert_int_lt(keyslots_unwrap_passcode(&s, code, got, &e), 0);
	ck_assert_int_eq(e.reason, REASON_PASSWORD);
	ck_assert_uint_eq(got->len, 0);
	ck_assert_int_lt(keyslots_wrap_passcode(&s, code, key, &s.place[1], &e),
			 0);
	ck_assert_int_lt(keyslots_wrap_passcode(&s, none, key, &s.place[1], &e),
			 0);
}
END_TEST

START_TEST(slot_of_one_vp_is_no_other_vps)
{
	AUTO(secure_memory_freep) struct secure_memory *got = NULL;

	ck_assert_int_eq(keyslots_wrap_device(&s, device, key, &s.place[0], &e),
			 0);
	assert_opens(&s);
	s.number++;
	ck_assert_int_eq(secure_memory_new(&got, &e), 0);
	ck_assert_int_lt(keyslots_unwrap_device(&s, device, got, &e), 0);
}
END_TEST

/* A head and three slots, as they are on disk. */
static void make_file(void)
{
	AUTO(key_freep) struct key *k = NULL;
	AUTO(secure_memory_freep)
	struct secure_memory *code = secret_of("passcode", 8);
	uint8_t point[HPKE_PUBLIC_KEY_SIZE];

	ck_assert_int_eq(key_generate(&k, &e), 0);
	hpke_public_key(k, point);
	ck_assert_int_eq(keyslots_wrap_device(&s, device, key, &s.place[0], &e),
			 0);
	ck_assert_int_eq(keyslots_wrap_passcode(&s, code, key, &s.place[1], &e),
			 0);
	ck_assert_int_eq(
		keyslots_wrap_recovery(&s, point, key, &s.place[2], &e), 0);
	ck_assert_msg(keyslot_file_create(dir, NAME, &s, &e) == 0, "%s",
		      e.text);
}

START_TEST(what_is_written_is_read)
{
	struct keyslots got;

	make_file();
	ck_assert_msg(keyslot_file_read(dir, NAME, &got, &e) == 0, "%s",
		      e.text);
	ck_assert_mem_eq(&got, &s, sizeof(s));
}
END_TEST

START_TEST(torn_slot_is_no_slot)
{
	char *path = unit_text("%s/" NAME, folder);
	auto_free char *data = NULL;
	struct keyslots got;
	size_t len;

	make_file();
	ck_assert_int_eq(io_read_file(path, KEYSLOTS_SIZE, &data, &len, &e), 0);
	data[KEYSLOTS_BLOCK + 100] ^= 1;
	ck_assert_int_eq(keyslots_parse(data, len, &got, &e), 0);
	ck_assert_ptr_null(keyslots_find_newest(&got, KEYSLOT_DEVICE));
	ck_assert_ptr_nonnull(keyslots_find_newest(&got, KEYSLOT_PASSCODE));
	data[20] ^= 1;
	ck_assert_int_eq(keyslots_parse(data, len, &got, &e), -EBADMSG);
	ck_assert_int_eq(keyslots_parse(data, len - 1, &got, &e), -EBADMSG);
}
END_TEST

START_TEST(new_slot_takes_the_place_of_the_old)
{
	uint8_t old[KEYSLOTS_WRAPPED_SIZE];
	struct keyslot fresh;
	struct keyslots got;

	make_file();
	memcpy(old, s.place[0].wrapped, sizeof(old));
	for (int i = 0; i < 2 * KEYSLOTS_PLACES; i++) {
		ck_assert_int_eq(
			keyslots_wrap_device(&s, device, key, &fresh, &e), 0);
		ck_assert_msg(keyslot_file_replace_slot(dir, NAME, &s, &fresh,
							&e) == 0,
			      "%s", e.text);
	}
	ck_assert_int_eq(keyslot_file_read(dir, NAME, &got, &e), 0);
	ck_assert_mem_eq(&got, &s, sizeof(s));
	ck_assert_mem_ne(keyslots_find_newest(&got, KEYSLOT_DEVICE)->wrapped,
			 old, sizeof(old));
	assert_opens(&got);
}
END_TEST

/* Fails each system call in turn: the key can be had at any point. */
START_TEST(failed_replacement_leaves_a_slot)
{
	make_file();
	for (unsigned int n = 1;; n++) {
		struct keyslot fresh;
		struct keyslots got;

		ck_assert_int_eq(keyslot_file_read(dir, NAME, &s, &e), 0);
		ck_assert_int_eq(
			keyslots_wrap_device(&s, device, key, &fresh, &e), 0);
		fault_at(n);
		keyslot_file_replace_slot(dir, NAME, &s, &fresh, &e);
		if (!fault_fired())
			break;
		ck_assert_int_eq(keyslot_file_read(dir, NAME, &got, &e), 0);
		assert_opens(&got);
	}
}
END_TEST

START_TEST(destroyed_slots_are_overwritten)
{
	char *path = unit_text("%s/" NAME, folder);
	auto_free char *data = NULL;
	uint8_t wrapped[KEYSLOTS_WRAPPED_SIZE];
	unsigned int n;
	size_t len;

	make_file();
	memcpy(wrapped, s.place[0].wrapped, sizeof(wrapped));
	ck_assert_int_eq(keyslot_file_destroy_slots(dir, NAME, &s,
						    KEYSLOT_DEVICE, &n, &e),
			 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(io_read_file(path, KEYSLOTS_SIZE, &data, &len, &e), 0);
	ck_assert_ptr_null(memmem(data, len, wrapped, sizeof(wrapped)));
	ck_assert_int_eq(keyslot_file_destroy_slots(dir, NAME, &s,
						    KEYSLOT_DEVICE, &n, &e),
			 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(shredded_file_is_gone)
{
	auto_close int open_before = -1;
	uint8_t data[KEYSLOTS_SIZE];

	make_file();
	open_before = openat(dir, NAME, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(keyslot_file_shred(dir, NAME, &e), 0);
	ck_assert_int_eq(keyslot_file_read(dir, NAME, &s, &e), -ENOENT);
	/* A process that has it open sees zeros. */
	ck_assert_int_eq(pread(open_before, data, sizeof(data), 0),
			 sizeof(data));
	for (size_t i = 0; i < sizeof(data); i++)
		ck_assert_uint_eq(data[i], 0);
	ck_assert_int_eq(keyslot_file_shred(dir, NAME, &e), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, identifier_is_fscrypts);
	tcase_add_test(tc, slots_of_another_implementation_open);
	tcase_add_loop_test(tc, wrong_passcode_does_not_open, 0,
			    ARRAY_SIZE(bad_passcodes));
	tcase_add_test(tc, passcode_is_not_empty_and_has_no_zero_byte);
	tcase_add_test(tc, slot_of_one_vp_is_no_other_vps);
	tcase_add_test(tc, what_is_written_is_read);
	tcase_add_test(tc, torn_slot_is_no_slot);
	tcase_add_test(tc, new_slot_takes_the_place_of_the_old);
	tcase_add_test(tc, failed_replacement_leaves_a_slot);
	tcase_add_test(tc, destroyed_slots_are_overwritten);
	tcase_add_test(tc, shredded_file_is_gone);
}

UNIT_MAIN("keyslots", add)

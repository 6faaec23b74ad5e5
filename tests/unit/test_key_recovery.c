/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/key_recovery.h"

#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static struct err e;
static uint8_t plain[KEY_RECOVERY_KEY_SIZE];

/*
 * Made by another implementation (tests/e2e/escrow.py, on python3-cryptography)
 * with the private keys SHA-256("recipient") and SHA-256("ephemeral") mod
 * 2^255.
 */
static const char recipient[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MHcCAQEEIGZdBpjbyPuVr8JcOk2c8oDYelhbeZkkPKYAj9AyWJdfoAoGCCqGSM49\n"
	"AwEHoUQDQgAEn+7tqQPYPQH4hZ1cEXHXL/nOX/IhtICkYGjZfj1A3p7NhF2BKXkc\n"
	"JIUymRtGKunjvqNU8qesvG4NbhV4O5sC+w==\n"
	"-----END EC PRIVATE KEY-----\n";
static const char box_hex[] =
	"0470c5bb3bbfee691ec55aa53b432f90ed9a0609e10cb8be8994169bc412"
	"4df2bf1c067f8fb582a0311837caf4929272beded6686116160b2299c274"
	"f17f030b8c9523dc85687dfafc96b268b1f5d43c9d2b7c6517d816a092fd"
	"a9c20361dc20e9a8864a557ad4e101d2b3676f060f5f3ce1aa8afaef2252"
	"275736e206a465b2a4c36d084f71233ec7dccc6d2bff522309";
static const struct key_recovery_vp work = { "work",
					     "8699c2c53707405da5aba5ae4d8583c0",
					     17 };

static struct key *recipient_key(void)
{
	struct key *k;

	ck_assert_msg(key_from_pem(recipient, &k, &e) == 0, "%s", e.text);
	return k;
}

static void setup(void)
{
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)i;
}

START_TEST(box_of_another_implementation_opens)
{
	AUTO(key_freep) struct key *k = recipient_key();
	uint8_t box[KEY_RECOVERY_BOX_SIZE], got[KEY_RECOVERY_KEY_SIZE];

	ck_assert_int_eq(encoding_from_hex(box_hex, box, sizeof(box)), 0);
	ck_assert_msg(key_recovery_unwrap(&work, k, box, got, &e) == 0, "%s",
		      e.text);
	ck_assert_mem_eq(got, plain, sizeof(plain));
}
END_TEST

/* Each byte of it: the point, the ciphertext, the tag. */
START_TEST(changed_box_does_not_open)
{
	AUTO(key_freep) struct key *k = recipient_key();
	uint8_t box[KEY_RECOVERY_BOX_SIZE], got[KEY_RECOVERY_KEY_SIZE];

	ck_assert_int_eq(encoding_from_hex(box_hex, box, sizeof(box)), 0);
	for (size_t i = 0; i < sizeof(box); i += 7) {
		box[i] ^= 0x40;
		ck_assert_int_eq(key_recovery_unwrap(&work, k, box, got, &e),
				 -EACCES);
		box[i] ^= 0x40;
	}
}
END_TEST

static const struct key_recovery_vp others[] = {
	{ "worl", "8699c2c53707405da5aba5ae4d8583c0", 17 },
	{ "work", "8699c2c53707405da5aba5ae4d8583c1", 17 },
	{ "work", "8699c2c53707405da5aba5ae4d8583c0", 18 },
	{ "", "", 0 },
};

START_TEST(box_of_one_vp_is_no_other_vps)
{
	AUTO(key_freep) struct key *k = recipient_key();
	uint8_t box[KEY_RECOVERY_BOX_SIZE], got[KEY_RECOVERY_KEY_SIZE];
	uint8_t to[HPKE_PUBLIC_KEY_SIZE];

	hpke_public_key(k, to);
	ck_assert_int_eq(key_recovery_wrap(&work, to, plain, box, &e), 0);
	ck_assert_int_eq(key_recovery_unwrap(&work, k, box, got, &e), 0);
	ck_assert_int_eq(key_recovery_unwrap(&others[_i], k, box, got, &e),
			 -EACCES);
}
END_TEST

START_TEST(key_travels_to_one_device_and_vp)
{
	const struct key_recovery_device here = { "dev-1", "e1", "work" };
	const struct key_recovery_device elsewhere[] = {
		{ "dev-2", "e1", "work" },
		{ "dev-1", "e2", "work" },
		{ "dev-1", "e1", "home" },
	};
	AUTO(key_freep) struct key *k = recipient_key(), *other = NULL;
	uint8_t box[KEY_RECOVERY_BOX_SIZE], got[KEY_RECOVERY_KEY_SIZE];

	ck_assert_int_eq(key_generate(&other, &e), 0);
	ck_assert_int_eq(key_recovery_seal(&here, k, plain, box, &e), 0);
	ck_assert_int_eq(
		key_recovery_unseal(&here, k, box, sizeof(box), got, &e), 0);
	ck_assert_mem_eq(got, plain, sizeof(plain));
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		ck_assert_int_eq(key_recovery_unseal(&elsewhere[i], k, box,
						     sizeof(box), got, &e),
				 -EACCES);
	ck_assert_int_eq(
		key_recovery_unseal(&here, other, box, sizeof(box), got, &e),
		-EACCES);
	ck_assert_int_eq(
		key_recovery_unseal(&here, k, box, sizeof(box) - 1, got, &e),
		-EACCES);
}
END_TEST

START_TEST(no_point_of_the_curve_is_sealed_to)
{
	uint8_t to[HPKE_PUBLIC_KEY_SIZE] = { 4 }, box[KEY_RECOVERY_BOX_SIZE];

	ck_assert_int_eq(key_recovery_wrap(&work, to, plain, box, &e), -EINVAL);
	memset(to, 0, sizeof(to)); /* infinity */
	ck_assert_int_eq(key_recovery_wrap(&work, to, plain, box, &e), -EINVAL);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, box_of_another_implementation_opens);
	tcase_add_test(tc, changed_box_does_not_open);
	tcase_add_loop_test(tc, box_of_one_vp_is_no_other_vps, 0,
			    ARRAY_SIZE(others));
	tcase_add_test(tc, key_travels_to_one_device_and_vp);
	tcase_add_test(tc, no_point_of_the_curve_is_sealed_to);
}

UNIT_MAIN("key_recovery", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/hpke.h"

#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#define TEXT "Beauty is truth, truth beauty"
#define TEXT_SIZE (sizeof(TEXT) - 1)
#define INFO "Ode on a Grecian Urn"
#define AAD "Count-0"

static struct err e;
static const struct hpke_part text = { TEXT, TEXT_SIZE };
static const struct hpke_part aad = { AAD, sizeof(AAD) - 1 };
static const struct hpke_part nothing;

/*
 * Mode 0, kem 0x0010, kdf 0x0001, aead 0x0002, sequence number 0: of the test
 * vectors that belong to RFC 9180, and of those that belong to its draft 08,
 * which seals in the same way.
 */
static const struct vector {
	const char *recipient, *ephemeral; /* private keys */
	const char *enc, *ciphertext;
} vectors[] = {
	{ "317f915db7bc629c48fe765587897e01e282d3e8445f79f27f65d031a88082b2",
	  "90345e3a1d116c1dd39ae76d95ab858c142223a63e44f8f85318cfa91a84858e",
	  "04c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e"
	  "0b21bd31a86c6048af3cb2d98e0d3bf01da5cc4c39ff5370d331a4f1f7d5a4e0",
	  "58c61a45059d0c5704560e9d88b564a8b63f1364b8d1fcb3c4c6ddc1d291742465"
	  "e902cd216f8908da49f8f96f" },
	{ "01f59b0596c63d30c1956617095a4084dd8a62c754a7395069a56ab8aa9118fc",
	  "bb0df6228f0055d4f4647cb76f4aee46923aecff163829074eb2210190271352",
	  "0469f24d3b44c6741cce6660b1c72e05d6d9c615b64dca6947c3eeca104be0cda1"
	  "d4b3e8b1978e1de88aba437155df4fa9008ee3ad02a72f1ab6534cf7fcfadb51",
	  "59b14653f7a80bd228248c71df9caf21319aa29cc90ef8e51761ef91a1275f4665"
	  "3b1b056482b17e1cbe1cb1de" },
};

/* The first random bytes that are asked for, in hex, or NULL: as they come. */
static const char *next_random;

int __wrap_key_rng(void *unused, unsigned char *ret, size_t len);
int __wrap_key_rng(void *unused __attribute__((unused)), unsigned char *ret,
		   size_t len)
{
	if (next_random)
		ck_assert_int_eq(encoding_from_hex(next_random, ret, len), 0);
	else
		hash_random(ret, len);
	next_random = NULL;
	return 0;
}

/* A key of a private scalar: ECPrivateKey (RFC 5915) without the public half.
 */
static struct key *key_of_scalar(const char *hex)
{
	static const uint8_t head[] = { 0x30, 0x31, 2, 1, 1, 4, 32 };
	static const uint8_t curve[] = { 0xa0, 0x0a, 6,	   8,	 0x2a, 0x86,
					 0x48, 0xce, 0x3d, 0x03, 1,    7 };
	uint8_t der[sizeof(head) + 32 + sizeof(curve)];
	struct key *k;

	memcpy(der, head, sizeof(head));
	ck_assert_int_eq(encoding_from_hex(hex, der + sizeof(head), 32), 0);
	memcpy(der + sizeof(head) + 32, curve, sizeof(curve));
	ck_assert_msg(key_from_sec1(der, sizeof(der), &k, &e) == 0, "%s",
		      e.text);
	return k;
}

static struct hpke_part vector_sealed(const struct vector *v,
				      uint8_t ret[TEXT_SIZE + HPKE_OVERHEAD])
{
	ck_assert_int_eq(encoding_from_hex(v->enc, ret, HPKE_PUBLIC_KEY_SIZE),
			 0);
	ck_assert_int_eq(encoding_from_hex(v->ciphertext,
					   ret + HPKE_PUBLIC_KEY_SIZE,
					   TEXT_SIZE + HPKE_OVERHEAD -
						   HPKE_PUBLIC_KEY_SIZE),
			 0);
	return (struct hpke_part){ ret, TEXT_SIZE + HPKE_OVERHEAD };
}

/* The same text, sealed by ourselves. */
static struct hpke_part seal_text(const struct key *k,
				  uint8_t ret[TEXT_SIZE + HPKE_OVERHEAD])
{
	uint8_t to[HPKE_PUBLIC_KEY_SIZE];

	hpke_public_key(k, to);
	ck_assert_int_eq(hpke_seal(to, INFO, &aad, &text, ret, &e), 0);
	return (struct hpke_part){ ret, TEXT_SIZE + HPKE_OVERHEAD };
}

START_TEST(vector_opens)
{
	AUTO(key_freep) struct key *k = key_of_scalar(vectors[_i].recipient);
	uint8_t box[TEXT_SIZE + HPKE_OVERHEAD], got[TEXT_SIZE];
	const struct hpke_part sealed = vector_sealed(&vectors[_i], box);

	ck_assert_msg(hpke_open(k, INFO, &aad, &sealed, got, &e) == 0, "%s",
		      e.text);
	ck_assert_mem_eq(got, TEXT, sizeof(got));
}
END_TEST

START_TEST(vector_is_sealed)
{
	AUTO(key_freep) struct key *k = key_of_scalar(vectors[_i].recipient);
	uint8_t box[TEXT_SIZE + HPKE_OVERHEAD], got[sizeof(box)];
	uint8_t to[HPKE_PUBLIC_KEY_SIZE];

	vector_sealed(&vectors[_i], box);
	hpke_public_key(k, to);
	next_random = vectors[_i].ephemeral;
	ck_assert_msg(hpke_seal(to, INFO, &aad, &text, got, &e) == 0, "%s",
		      e.text);
	ck_assert_mem_eq(got, box, sizeof(box));
}
END_TEST

START_TEST(changed_bytes_do_not_open)
{
	AUTO(key_freep) struct key *k = key_of_scalar(vectors[0].recipient);
	uint8_t box[TEXT_SIZE + HPKE_OVERHEAD], got[TEXT_SIZE];
	const struct hpke_part sealed = vector_sealed(&vectors[0], box);

	for (size_t i = 0; i < sizeof(box); i++) {
		box[i] ^= 0x40;
		ck_assert_int_eq(hpke_open(k, INFO, &aad, &sealed, got, &e),
				 -EACCES);
		box[i] ^= 0x40;
	}
	ck_assert_int_eq(hpke_open(k, INFO, &aad, &sealed, got, &e), 0);
}
END_TEST

START_TEST(bytes_open_for_one_purpose_only)
{
	AUTO(key_freep) struct key *k = key_of_scalar(vectors[0].recipient);
	uint8_t box[TEXT_SIZE + HPKE_OVERHEAD], got[TEXT_SIZE];
	const struct hpke_part sealed = seal_text(k, box);

	ck_assert_int_eq(hpke_open(k, INFO, &aad, &sealed, got, &e), 0);
	ck_assert_int_eq(hpke_open(k, "", &aad, &sealed, got, &e), -EACCES);
	ck_assert_int_eq(hpke_open(k, INFO "s", &aad, &sealed, got, &e),
			 -EACCES);
}
END_TEST

START_TEST(bytes_open_with_their_associated_data_only)
{
	AUTO(key_freep) struct key *k = key_of_scalar(vectors[0].recipient);
	uint8_t box[TEXT_SIZE + HPKE_OVERHEAD], got[TEXT_SIZE];
	const struct hpke_part sealed = seal_text(k, box);
	const struct hpke_part other = { "Count-1", 7 };

	ck_assert_int_eq(hpke_open(k, INFO, &aad, &sealed, got, &e), 0);
	ck_assert_int_eq(hpke_open(k, INFO, &nothing, &sealed, got, &e),
			 -EACCES);
	ck_assert_int_eq(hpke_open(k, INFO, &other, &sealed, got, &e), -EACCES);
}
END_TEST

START_TEST(bytes_open_by_their_private_key_only)
{
	AUTO(key_freep) struct key *k = key_of_scalar(vectors[0].recipient);
	AUTO(key_freep) struct key *other = key_of_scalar(vectors[1].recipient);
	AUTO(key_freep) struct key *public = NULL;
	uint8_t box[TEXT_SIZE + HPKE_OVERHEAD], got[TEXT_SIZE];
	const struct hpke_part sealed = vector_sealed(&vectors[0], box);
	size_t len;
	const void *spki = key_spki(k, &len);

	ck_assert_int_eq(key_from_spki(spki, len, &public, &e), 0);
	ck_assert_int_eq(hpke_open(other, INFO, &aad, &sealed, got, &e),
			 -EACCES);
	ck_assert_int_eq(hpke_open(public, INFO, &aad, &sealed, got, &e),
			 -EACCES);
}
END_TEST

/* Whole, but for the part that is named: 7.1.4 of RFC 9180. */
static const char *const bad_points[] = {
	/* coordinates that are 0, and infinity with bytes behind it */
	"0400000000000000000000000000000000000000000000000000000000000000000000"
	"000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000000000000"
	"000000000000000000000000000000000000000000000000000000000000",
	/* the last bit of y */
	"04c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e0b21"
	"bd31a86c6048af3cb2d98e0d3bf01da5cc4c39ff5370d331a4f1f7d5a4e1",
	/* x is the prime of the field, and so 0 once reduced: (0, sqrt(b)) */
	"04ffffffff00000001000000000000000000000000ffffffffffffffffffffffff6648"
	"5c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4",
	/* the form's byte: compressed, hybrid */
	"02c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e0b21"
	"bd31a86c6048af3cb2d98e0d3bf01da5cc4c39ff5370d331a4f1f7d5a4e0",
	"06c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e0b21"
	"bd31a86c6048af3cb2d98e0d3bf01da5cc4c39ff5370d331a4f1f7d5a4e0",
};

START_TEST(bad_point_is_refused_by_both)
{
	AUTO(key_freep) struct key *k = key_of_scalar(vectors[0].recipient);
	uint8_t box[TEXT_SIZE + HPKE_OVERHEAD], got[sizeof(box)];
	const struct hpke_part sealed = vector_sealed(&vectors[0], box);

	ck_assert_int_eq(
		encoding_from_hex(bad_points[_i], box, HPKE_PUBLIC_KEY_SIZE),
		0);
	ck_assert_int_eq(hpke_open(k, INFO, &aad, &sealed, got, &e), -EACCES);
	ck_assert_int_eq(hpke_seal(box, INFO, &aad, &text, got, &e), -EINVAL);
}
END_TEST

START_TEST(too_few_bytes_do_not_open)
{
	AUTO(key_freep) struct key *k = key_of_scalar(vectors[0].recipient);
	uint8_t box[TEXT_SIZE + HPKE_OVERHEAD], got[TEXT_SIZE];
	struct hpke_part sealed = vector_sealed(&vectors[0], box);

	for (sealed.len = 0; sealed.len < sizeof(box); sealed.len++)
		ck_assert_int_eq(hpke_open(k, INFO, &aad, &sealed, got, &e),
				 -EACCES);
}
END_TEST

START_TEST(nothing_can_be_sealed)
{
	AUTO(key_freep) struct key *k = NULL;
	uint8_t to[HPKE_PUBLIC_KEY_SIZE], box[HPKE_OVERHEAD], got[1] = { 7 };
	const struct hpke_part sealed = { box, sizeof(box) };

	ck_assert_int_eq(key_generate(&k, &e), 0);
	hpke_public_key(k, to);
	ck_assert_int_eq(hpke_seal(to, INFO, &nothing, &nothing, box, &e), 0);
	ck_assert_int_eq(hpke_open(k, INFO, &nothing, &sealed, got, &e), 0);
	ck_assert_uint_eq(got[0], 7);
}
END_TEST

START_TEST(each_message_has_an_ephemeral_key_of_its_own)
{
	AUTO(key_freep) struct key *k = NULL;
	uint8_t to[HPKE_PUBLIC_KEY_SIZE];
	uint8_t box[2][TEXT_SIZE + HPKE_OVERHEAD];

	ck_assert_int_eq(key_generate(&k, &e), 0);
	hpke_public_key(k, to);
	for (size_t i = 0; i < ARRAY_SIZE(box); i++)
		ck_assert_int_eq(hpke_seal(to, INFO, &aad, &text, box[i], &e),
				 0);
	ck_assert_mem_ne(box[0], box[1], HPKE_PUBLIC_KEY_SIZE);
	ck_assert_mem_ne(box[0] + HPKE_PUBLIC_KEY_SIZE,
			 box[1] + HPKE_PUBLIC_KEY_SIZE, TEXT_SIZE);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, vector_opens, 0, ARRAY_SIZE(vectors));
	tcase_add_loop_test(tc, vector_is_sealed, 0, ARRAY_SIZE(vectors));
	tcase_add_test(tc, changed_bytes_do_not_open);
	tcase_add_test(tc, bytes_open_for_one_purpose_only);
	tcase_add_test(tc, bytes_open_with_their_associated_data_only);
	tcase_add_test(tc, bytes_open_by_their_private_key_only);
	tcase_add_loop_test(tc, bad_point_is_refused_by_both, 0,
			    ARRAY_SIZE(bad_points));
	tcase_add_test(tc, too_few_bytes_do_not_open);
	tcase_add_test(tc, nothing_can_be_sealed);
	tcase_add_test(tc, each_message_has_an_ephemeral_key_of_its_own);
}

UNIT_MAIN("hpke", add)

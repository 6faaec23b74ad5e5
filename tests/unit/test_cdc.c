/* SPDX-License-Identifier: Apache-2.0 */
#include "images/cdc.h"

#include "lib/auto.h"
#include "lib/chunk.h"
#include "tests/unit/unit.h"

#include <string.h>

#define SIZE ((size_t)8 * 1024 * 1024)
#define CUTS_MAX (SIZE / CHUNK_SIZE_MIN + 1)

static struct cdc cdc;

/* xorshift64: the same bytes on each run. */
static uint8_t *noise(uint64_t seed, size_t len)
{
	uint8_t *data = malloc(len);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < len; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		data[i] = (uint8_t)(seed >> 32);
	}
	return data;
}

/* The chunks' sizes; returns how many. */
static size_t cut_all(const uint8_t *data, size_t len, size_t *sizes)
{
	size_t n = 0;

	for (size_t at = 0; at < len; n++) {
		ck_assert_uint_lt(n, CUTS_MAX);
		sizes[n] = cdc_chunk_length(&cdc, data + at, len - at);
		at += sizes[n];
	}
	return n;
}

START_TEST(chunks_stay_within_bounds)
{
	auto_free uint8_t *data = noise(1, SIZE);
	size_t sizes[CUTS_MAX], n = cut_all(data, SIZE, sizes);

	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_le(sizes[i], CHUNK_SIZE_MAX);
		if (i + 1 < n)
			ck_assert_uint_gt(sizes[i], CHUNK_SIZE_MIN);
	}
}
END_TEST

START_TEST(chunks_have_the_wanted_size_on_average)
{
	auto_free uint8_t *data = noise(2, SIZE);
	size_t sizes[CUTS_MAX], mean = SIZE / cut_all(data, SIZE, sizes);

	ck_assert_uint_gt(mean, CHUNK_SIZE_AVG / 2);
	ck_assert_uint_lt(mean, CHUNK_SIZE_AVG * 2);
}
END_TEST

/* As the packer does: the end of the layer is not always in sight. */
START_TEST(cut_does_not_depend_on_what_lies_behind)
{
	auto_free uint8_t *data = noise(3, SIZE);

	for (size_t at = 0; at + CHUNK_SIZE_MAX < SIZE;) {
		size_t n = cdc_chunk_length(&cdc, data + at, CHUNK_SIZE_MAX);

		ck_assert_uint_eq(n,
				  cdc_chunk_length(&cdc, data + at, SIZE - at));
		at += n;
	}
}
END_TEST

/* The table and the masks are part of the format: other cuts, other chunks. */
START_TEST(cuts_are_the_same_everywhere)
{
	auto_free uint8_t *data = noise(4, SIZE);
	size_t sizes[CUTS_MAX];

	cut_all(data, SIZE, sizes);
	ck_assert_uint_eq(cdc.gear[0], UINT64_C(0xe220a8397b1dcdaf));
	ck_assert_uint_eq(sizes[0], 72471);
	ck_assert_uint_eq(sizes[1], 70277);
}
END_TEST

/* How many of b's chunks are not in a. */
static size_t count_new(const uint8_t *a, size_t a_len, const uint8_t *b,
			size_t b_len)
{
	size_t as[CUTS_MAX], bs[CUTS_MAX];
	size_t an = cut_all(a, a_len, as), bn = cut_all(b, b_len, bs), new = 0;

	for (size_t i = 0, bat = 0; i < bn; bat += bs[i++]) {
		size_t k = 0, aat = 0;

		while (k < an &&
		       (as[k] != bs[i] || memcmp(a + aat, b + bat, bs[i]) != 0))
			aat += as[k++];
		new += k == an;
	}
	return new;
}

static const size_t places[] = { 0, 1, 100000, SIZE / 2, SIZE - 5 };

START_TEST(insertion_changes_few_chunks)
{
	auto_free uint8_t *a = noise(5, SIZE), *b = malloc(SIZE + 3);
	size_t at = places[_i];

	ck_assert_ptr_nonnull(b);
	memcpy(b, a, at);
	memcpy(b + at, "new", 3);
	memcpy(b + at + 3, a + at, SIZE - at);
	ck_assert_uint_le(count_new(a, SIZE, b, SIZE + 3), 3);
}
END_TEST

START_TEST(zeros_are_cut_at_the_most)
{
	auto_free uint8_t *data = calloc(1, SIZE);
	size_t sizes[CUTS_MAX];

	ck_assert_ptr_nonnull(data);
	ck_assert_uint_eq(cut_all(data, SIZE, sizes), SIZE / CHUNK_SIZE_MAX);
}
END_TEST

START_TEST(little_is_one_chunk)
{
	auto_free uint8_t *data = noise(6, CHUNK_SIZE_MIN);

	ck_assert_uint_eq(cdc_chunk_length(&cdc, data, 1), 1);
	ck_assert_uint_eq(cdc_chunk_length(&cdc, data, CHUNK_SIZE_MIN),
			  CHUNK_SIZE_MIN);
}
END_TEST

static void add(TCase *tc)
{
	cdc_init(&cdc);
	tcase_add_test(tc, chunks_stay_within_bounds);
	tcase_add_test(tc, chunks_have_the_wanted_size_on_average);
	tcase_add_test(tc, cut_does_not_depend_on_what_lies_behind);
	tcase_add_test(tc, cuts_are_the_same_everywhere);
	tcase_add_loop_test(tc, insertion_changes_few_chunks, 0,
			    ARRAY_SIZE(places));
	tcase_add_test(tc, zeros_are_cut_at_the_most);
	tcase_add_test(tc, little_is_one_chunk);
}

UNIT_MAIN("cdc", add)

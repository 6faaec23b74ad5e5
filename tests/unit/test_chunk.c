/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/chunk.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <zstd.h>

static struct err e;
static uint8_t data[CHUNK_SIZE_MAX];

static void setup(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i >> 7);
}

static void *pack(size_t len, struct chunk *ret, size_t *ret_len)
{
	void *stored;

	ck_assert_msg(chunk_pack(data, len, ret, &stored, ret_len, &e) == 0,
		      "%s", e.text);
	return stored;
}

static const size_t lengths[] = { 1, 2, CHUNK_SIZE_MIN, CHUNK_SIZE_AVG,
				  CHUNK_SIZE_MAX };

START_TEST(chunk_is_packed_and_unpacked)
{
	auto_free uint8_t *out = malloc(lengths[_i]);
	auto_free void *stored = NULL;
	struct chunk c;
	size_t len;

	stored = pack(lengths[_i], &c, &len);
	ck_assert_uint_eq(c.size, lengths[_i]);
	ck_assert_uint_eq(c.stored, len);
	ck_assert_uint_le(len, CHUNK_STORED_MAX);
	ck_assert_msg(chunk_unpack(&c, stored, len, out, &e) == 0, "%s",
		      e.text);
	ck_assert_mem_eq(out, data, lengths[_i]);
}
END_TEST

START_TEST(size_out_of_bounds_is_not_packed)
{
	struct chunk c;
	void *stored;
	size_t len;

	ck_assert_int_eq(chunk_pack(data, 0, &c, &stored, &len, &e), -EINVAL);
	ck_assert_int_eq(
		chunk_pack(data, CHUNK_SIZE_MAX + 1, &c, &stored, &len, &e),
		-EINVAL);
}
END_TEST

/* Bytes that were stored so by their author: digest and size are right. */
static int unpack_stored(const void *stored, size_t len, uint32_t size)
{
	auto_free uint8_t *out = malloc(size); /* no byte more: ASan watches */
	struct chunk c = { .stored = (uint32_t)len, .size = size };

	hash_sha256(stored, len, c.digest);
	return chunk_unpack(&c, stored, len, out, &e);
}

START_TEST(corrupt_chunk_is_refused)
{
	auto_free uint8_t *out = malloc(1000), *stored = NULL;
	struct chunk c;
	size_t len;

	stored = pack(1000, &c, &len);
	ck_assert_int_eq(chunk_unpack(&c, stored, len - 1, out, &e), -EBADMSG);
	for (size_t i = 0; i < len; i++) {
		stored[i] ^= 1;
		ck_assert_int_eq(chunk_unpack(&c, stored, len, out, &e),
				 -EBADMSG);
		ck_assert_str_eq(err_code(&e), "err.chunk");
		stored[i] ^= 1;
	}
}
END_TEST

START_TEST(frame_of_another_size_is_refused)
{
	auto_free uint8_t *stored = NULL;
	struct chunk c;
	size_t len;

	stored = pack(1000, &c, &len);
	ck_assert_int_eq(unpack_stored(stored, len, 1000), 0);
	ck_assert_int_eq(unpack_stored(stored, len, 999), -EBADMSG);
	ck_assert_int_eq(unpack_stored(stored, len, 1001), -EBADMSG);
	ck_assert_int_eq(unpack_stored(stored, len - 1, 1000), -EBADMSG);
	ck_assert_int_eq(unpack_stored("", 0, 1), -EBADMSG);
	ck_assert_int_eq(unpack_stored("no zstd at all", 14, 14), -EBADMSG);
}
END_TEST

START_TEST(two_frames_are_refused)
{
	auto_free uint8_t *stored = NULL, *twice = NULL;
	struct chunk c;
	size_t len;

	stored = pack(1000, &c, &len);
	twice = malloc(2 * len);
	memcpy(twice, stored, len);
	memcpy(twice + len, stored, len);
	ck_assert_int_eq(unpack_stored(twice, 2 * len, 2000), -EBADMSG);
	ck_assert_int_eq(unpack_stored(twice, len + 1, 1000), -EBADMSG);
}
END_TEST

/* 256 MiB of zeros in some KiB: nothing beyond the chunk's size is written. */
START_TEST(bomb_is_bounded_by_the_size)
{
	size_t big = 256 * 1024 * 1024, room = ZSTD_compressBound(big), n;
	auto_free void *zeros = calloc(1, big), *bomb = malloc(room);

	n = ZSTD_compress(bomb, room, zeros, big, 1);
	ck_assert(!ZSTD_isError(n));
	ck_assert_uint_lt(n, CHUNK_STORED_MAX);
	ck_assert_int_eq(unpack_stored(bomb, n, CHUNK_SIZE_MAX), -EBADMSG);
	ck_assert_int_eq(unpack_stored(bomb, n, 1), -EBADMSG);
}
END_TEST

START_TEST(list_is_written_and_read_back)
{
	struct chunk chunks[100] = { 0 };
	auto_free struct chunk_list *list = NULL;
	auto_free char *text = NULL;
	uint64_t size = 0;
	size_t len;

	for (uint32_t i = 0; i < ARRAY_SIZE(chunks); i++) {
		hash_sha256(&i, sizeof(i), chunks[i].digest);
		chunks[i].stored = i * 1000 + 1;
		chunks[i].size = CHUNK_SIZE_MAX - i;
		size += chunks[i].size;
	}
	ck_assert_int_eq(
		chunk_list_text(chunks, ARRAY_SIZE(chunks), &text, &len, &e),
		0);
	ck_assert_uint_eq(strlen(text), len);
	ck_assert_msg(chunk_list_parse(text, len, &list, &e) == 0, "%s",
		      e.text);
	ck_assert_uint_eq(list->n, ARRAY_SIZE(chunks));
	ck_assert_uint_eq(list->size, size);
	ck_assert_mem_eq(list->chunk, chunks, sizeof(chunks));
}
END_TEST

#define DIGEST                                                                 \
	"sha256:"                                                              \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define HEAD "cells-chunks 1\n"

START_TEST(shortest_lines_are_counted_right)
{
	static const char text[] = HEAD DIGEST " 1 1\n" DIGEST " 1 1\n";
	auto_free struct chunk_list *list = NULL;

	ck_assert_msg(chunk_list_parse(text, strlen(text), &list, &e) == 0,
		      "%s", e.text);
	ck_assert_uint_eq(list->n, 2);
}
END_TEST

static const char *const bad_lists[] = {
	"",
	HEAD,
	"cells-chunks 2\n" DIGEST " 1 1\n",
	"cells-chunks 1\r\n" DIGEST " 1 1\n",
	HEAD "\n",
	HEAD DIGEST,
	HEAD DIGEST " 1 1",
	HEAD DIGEST " 1\n",
	HEAD DIGEST " 1 \n",
	HEAD DIGEST "  1 1\n",
	HEAD DIGEST " 1 1 \n",
	HEAD DIGEST " 1 1 1\n",
	HEAD DIGEST " 1 1\n\n",
	HEAD DIGEST " 1 1\r\n",
	HEAD DIGEST " 0 1\n",
	HEAD DIGEST " 1 0\n",
	HEAD DIGEST " -1 1\n",
	HEAD DIGEST " 01 1\n",
	HEAD DIGEST " 1 262145\n",
	HEAD DIGEST " 1048577 1\n",
	HEAD DIGEST " 18446744073709551617 1\n",
	HEAD DIGEST "0 1 1\n",
	HEAD "sha512" DIGEST " 1 1\n",
	HEAD " 1 1\n",
	HEAD "x\n",
};

START_TEST(malformed_list_is_refused)
{
	struct chunk_list *list;

	ck_assert_int_eq(chunk_list_parse(bad_lists[_i], strlen(bad_lists[_i]),
					  &list, &e),
			 -EBADMSG);
	ck_assert_str_eq(err_code(&e), "err.chunk");
}
END_TEST

START_TEST(nul_in_a_list_is_refused)
{
	static const char text[] = HEAD DIGEST " 1 1\0\n";
	struct chunk_list *list;

	ck_assert_int_eq(chunk_list_parse(text, sizeof(text) - 1, &list, &e),
			 -EBADMSG);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, chunk_is_packed_and_unpacked, 0,
			    ARRAY_SIZE(lengths));
	tcase_add_test(tc, size_out_of_bounds_is_not_packed);
	tcase_add_test(tc, corrupt_chunk_is_refused);
	tcase_add_test(tc, frame_of_another_size_is_refused);
	tcase_add_test(tc, two_frames_are_refused);
	tcase_add_test(tc, bomb_is_bounded_by_the_size);
	tcase_add_test(tc, list_is_written_and_read_back);
	tcase_add_test(tc, shortest_lines_are_counted_right);
	tcase_add_loop_test(tc, malformed_list_is_refused, 0,
			    ARRAY_SIZE(bad_lists));
	tcase_add_test(tc, nul_in_a_list_is_refused);
}

UNIT_MAIN("chunk", add)

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/layer/layer_assembly.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>

#define CHUNKS 5
#define SIZE 40000

static struct err e;

/* A layer of CHUNKS chunks, of which the second and the fourth are twins. */
static struct layer {
	uint8_t data[CHUNKS * SIZE];
	struct chunk chunk[CHUNKS];
	void *stored[CHUNKS];
	size_t stored_len[CHUNKS];
	uint8_t digest[HASH_SIZE];
} layer;

static void make_layer(void)
{
	hash_random(layer.data, sizeof(layer.data));
	memcpy(layer.data + 3 * SIZE, layer.data + 1 * SIZE, SIZE);
	for (unsigned int i = 0; i < CHUNKS; i++)
		ck_assert_int_eq(chunk_pack(layer.data + i * SIZE, SIZE,
					    &layer.chunk[i], &layer.stored[i],
					    &layer.stored_len[i], &e),
				 0);
	hash_sha256(layer.data, sizeof(layer.data), layer.digest);
}

static void free_layer(void)
{
	for (unsigned int i = 0; i < CHUNKS; i++)
		free(layer.stored[i]);
	memset(&layer, 0, sizeof(layer));
}

static struct chunk_list *make_list(void)
{
	auto_free char *text = NULL;
	struct chunk_list *list;
	size_t len;

	ck_assert_int_eq(chunk_list_text(layer.chunk, CHUNKS, &text, &len, &e),
			 0);
	ck_assert_int_eq(chunk_list_parse(text, len, &list, &e), 0);
	return list;
}

static struct layer_assembly *opened(int dirfd)
{
	struct chunk_list *list = make_list();
	struct layer_assembly *a;

	ck_assert_msg(
		layer_assembly_open(dirfd, "part", "have", list, &a, &e) == 0,
		"%s", e.text);
	return a;
}

static int put(struct layer_assembly *a, unsigned int i)
{
	return layer_assembly_add_chunk(a, layer.chunk[i].digest,
					layer.stored[i], layer.stored_len[i],
					&e);
}

static int digested(struct layer_assembly *a, uint8_t ret[HASH_SIZE])
{
	int r;

	do
		r = layer_assembly_update_digest(a, ret, &e);
	while (r == -EAGAIN);
	return r;
}

static int folder(void)
{
	int fd = open(unit_folder(), O_DIRECTORY | O_RDONLY);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(chunks_in_any_order_make_the_layer)
{
	static const unsigned int order[] = { 4, 1, 0, 2 };
	auto_close int fd = folder();
	AUTO(layer_assembly_closep) struct layer_assembly *a = opened(fd);
	uint8_t got[HASH_SIZE];

	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
		ck_assert_int_eq(digested(a, got), 0);
		ck_assert_int_eq(put(a, order[i]), 1);
	}
	ck_assert_int_eq(digested(a, got), 1);
	ck_assert_mem_eq(got, layer.digest, HASH_SIZE);
	ck_assert_ptr_null(
		layer_assembly_get_chunk(a, layer_assembly_next_missing(a, 0)));
}
END_TEST

START_TEST(chunk_that_nobody_wants_is_left)
{
	auto_close int fd = folder();
	AUTO(layer_assembly_closep) struct layer_assembly *a = opened(fd);
	static const uint8_t other[HASH_SIZE];

	ck_assert_int_eq(layer_assembly_add_chunk(a, other, "x", 1, &e), 0);
	ck_assert_int_eq(put(a, 0), 1);
	ck_assert_int_eq(put(a, 0), 0);
}
END_TEST

START_TEST(damaged_chunk_is_refused_and_wanted_again)
{
	auto_close int fd = folder();
	AUTO(layer_assembly_closep) struct layer_assembly *a = opened(fd);

	((uint8_t *)layer.stored[0])[layer.stored_len[0] / 2] ^= 1;
	ck_assert_int_lt(put(a, 0), 0);
	ck_assert_int_eq(e.reason, REASON_CHUNK);
	ck_assert_uint_eq(layer_assembly_next_missing(a, 0), 0);
}
END_TEST

START_TEST(what_came_before_is_taken_up)
{
	auto_close int fd = folder();
	struct layer_assembly *a = opened(fd);
	uint8_t got[HASH_SIZE];

	put(a, 0);
	put(a, 1);
	layer_assembly_close(a);
	a = opened(fd);
	ck_assert(layer_assembly_has_reused_chunks(a));
	ck_assert_uint_eq(layer_assembly_next_missing(a, 0), 2);
	put(a, 2);
	put(a, 4);
	ck_assert_int_eq(digested(a, got), 1);
	ck_assert_mem_eq(got, layer.digest, HASH_SIZE);
	layer_assembly_close(a);
}
END_TEST

/* A power cut may keep the note and lose the bytes. */
START_TEST(layer_that_came_out_wrong_can_begin_anew)
{
	auto_close int fd = folder();
	struct layer_assembly *a = opened(fd);
	auto_close int part = openat(fd, "part", O_WRONLY);
	uint8_t got[HASH_SIZE];

	for (unsigned int i = 0; i < CHUNKS; i++)
		put(a, i);
	layer_assembly_close(a);
	ck_assert_int_eq(pwrite(part, "lost", 4, SIZE + 10), 4);
	a = opened(fd);
	ck_assert_int_eq(digested(a, got), 1);
	ck_assert_mem_ne(got, layer.digest, HASH_SIZE);
	ck_assert_int_eq(layer_assembly_restart(a, &e), 0);
	ck_assert(!layer_assembly_has_reused_chunks(a));
	for (unsigned int i = 0; i < CHUNKS; i++)
		put(a, i);
	ck_assert_int_eq(digested(a, got), 1);
	ck_assert_mem_eq(got, layer.digest, HASH_SIZE);
	layer_assembly_close(a);
}
END_TEST

START_TEST(whole_layer_gives_its_chunks)
{
	auto_close int fd = folder();
	AUTO(layer_assembly_closep) struct layer_assembly *a = opened(fd);
	auto_free struct chunk_list *list = make_list();
	auto_close int whole = openat(fd, "whole", O_RDWR | O_CREAT, 0600);
	uint8_t got[HASH_SIZE];

	ck_assert_int_eq(write(whole, layer.data, sizeof(layer.data)),
			 sizeof(layer.data));
	ck_assert_int_eq(layer_assembly_copy_chunks(a, list, whole, &e), 0);
	ck_assert(layer_assembly_has_reused_chunks(a));
	ck_assert_int_eq(digested(a, got), 1);
	ck_assert_mem_eq(got, layer.digest, HASH_SIZE);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, make_layer, free_layer);
	tcase_add_test(tc, chunks_in_any_order_make_the_layer);
	tcase_add_test(tc, chunk_that_nobody_wants_is_left);
	tcase_add_test(tc, damaged_chunk_is_refused_and_wanted_again);
	tcase_add_test(tc, what_came_before_is_taken_up);
	tcase_add_test(tc, layer_that_came_out_wrong_can_begin_anew);
	tcase_add_test(tc, whole_layer_gives_its_chunks);
}

UNIT_MAIN("layer_assembly", add)

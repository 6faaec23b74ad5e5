/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/blob.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <malloc.h>
#include <string.h>

#define UPLOADS 100

static struct blobs *blobs;
static struct err e;

static void set_up(void)
{
	ck_assert_msg(blob_open(unit_folder(), &blobs, &e) == 0, "%s", e.text);
}

static void tear_down(void)
{
	blob_free(blobs);
}

static int store(const char *bytes, const uint8_t digest[HASH_SIZE])
{
	struct blob_sink *k = NULL;
	int r;

	ck_assert_int_eq(blob_sink_new(blobs, &k, &e), 0);
	ck_assert_int_eq(blob_sink_add(k, bytes, strlen(bytes), &e), 0);
	r = blob_sink_end(k, digest, &e);
	blob_sink_free(k);
	return r;
}

START_TEST(other_bytes_are_not_stored)
{
	uint8_t digest[HASH_SIZE];

	set_up();
	hash_sha256("a chunk", strlen("a chunk"), digest);
	ck_assert_int_lt(store("another", digest), 0);
	ck_assert(!blob_has(blobs, digest));
	ck_assert_int_eq(store("a chunk", digest), 0);
	ck_assert(blob_has(blobs, digest));
	tear_down();
}
END_TEST

START_TEST(upload_leaves_no_memory_behind)
{
	uint8_t digest[HASH_SIZE];
	size_t before;

	set_up();
	hash_sha256("a chunk", strlen("a chunk"), digest);
	ck_assert_int_eq(store("a chunk", digest), 0);
	before = mallinfo2().uordblks;
	for (int i = 0; i < UPLOADS; i++)
		ck_assert_int_eq(store("a chunk", digest), 0);
	ck_assert_uint_lt(mallinfo2().uordblks,
			  before + UPLOADS * sizeof(struct hash) / 2);
	tear_down();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, other_bytes_are_not_stored);
	tcase_add_test(tc, upload_leaves_no_memory_behind);
}

UNIT_MAIN("blob", add)

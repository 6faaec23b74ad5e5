/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stored chunk that the server's owner made, so that its digest is right. The
 * first two bytes are the size it claims to hold.
 */
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct chunk c = { 0 };
	auto_free void *out = NULL;
	struct err e;

	if (len < 2)
		return 0;
	c.size = 1 + (data[0] | (uint32_t)data[1] << 8);
	c.stored = (uint32_t)(len - 2);
	hash_sha256(data + 2, len - 2, c.digest);
	out = malloc(c.size);
	if (out)
		chunk_unpack(&c, data + 2, len - 2, out, &e);
	return 0;
}

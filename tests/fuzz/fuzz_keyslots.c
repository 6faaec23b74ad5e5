/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slots file that somebody with the disk made. The sums of its blocks are set
 * right, since whoever writes one can do that too.
 */
#include "cellsd/keyslots.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/hash.h"
#include "lib/secure_memory.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void set_sums(uint8_t *data)
{
	for (unsigned int i = 0; i <= SLOTS_PLACES; i++) {
		uint8_t *block = data + i * (size_t)SLOTS_BLOCK;
		uint8_t *sum = block + SLOTS_BLOCK - HASH_SIZE;

		hash_sha256(block, SLOTS_BLOCK - HASH_SIZE, sum);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(secret_freep) struct secret *device = NULL, *key = NULL;
	uint8_t file[SLOTS_SIZE] = { 0 };
	struct slots s;
	struct err e;

	slots_parse(data, len, &s, &e);
	memcpy(file, data, len < sizeof(file) ? len : sizeof(file));
	set_sums(file);
	if (slots_parse(file, sizeof(file), &s, &e) < 0)
		return 0;
	for (enum slot_type t = SLOT_PASSCODE; t <= SLOT_RECOVERY; t++)
		slots_find(&s, t);
	if (secret_new(&device, &e) < 0 || secret_new(&key, &e) < 0)
		return 0;
	slots_unwrap_device(&s, device, key, &e);
	slots_write_head(&s, file);
	for (unsigned int i = 0; i < SLOTS_PLACES; i++)
		slots_write_place(&s.place[i], file);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slots file that somebody with the disk made. The sums of its blocks are set
 * right, since a writer of one can do that too.
 */
#include "cellsd/storage/keyslots.h"
#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secure_memory.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void set_sums(uint8_t *data)
{
	for (unsigned int i = 0; i <= KEYSLOTS_PLACES; i++) {
		uint8_t *block = data + i * (size_t)KEYSLOTS_BLOCK;
		uint8_t *sum = block + KEYSLOTS_BLOCK - HASH_SIZE;

		hash_sha256(block, KEYSLOTS_BLOCK - HASH_SIZE, sum);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(secure_memory_freep)
	struct secure_memory *device = NULL, *key = NULL;
	uint8_t file[KEYSLOTS_SIZE] = { 0 };
	struct keyslots s;
	struct err e;

	keyslots_parse(data, len, &s, &e);
	memcpy(file, data, len < sizeof(file) ? len : sizeof(file));
	set_sums(file);
	if (keyslots_parse(file, sizeof(file), &s, &e) < 0)
		return 0;
	for (enum keyslot_type t = KEYSLOT_PASSCODE; t <= KEYSLOT_RECOVERY; t++)
		keyslots_find_newest(&s, t);
	if (secure_memory_new(&device, &e) < 0 ||
	    secure_memory_new(&key, &e) < 0)
		return 0;
	keyslots_unwrap_device(&s, device, key, &e);
	keyslots_format_header(&s, file);
	for (unsigned int i = 0; i < KEYSLOTS_PLACES; i++)
		keyslots_format_slot(&s.place[i], file);
	return 0;
}

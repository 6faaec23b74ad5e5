/* SPDX-License-Identifier: Apache-2.0 */
/* A person's key file, without its password: the work that this costs is known.
 */
#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *name = NULL;
	struct err e;

	key_file_decrypt((const char *)data, len, NULL, &k, &name, &e);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* An envelope; what is taken must come back the same from its own text. */
#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void require(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(envelope_freep) struct envelope *env = NULL, *again = NULL;
	auto_free char *text = NULL;
	struct err e;

	if (envelope_parse((const char *)data, len, &env, &e) < 0)
		return 0;
	require(envelope_text(env, &text, &e) == 0);
	require(envelope_parse(text, strlen(text), &again, &e) == 0);
	require(memcmp(env->pae_digest, again->pae_digest, HASH_SIZE) == 0);
	require(env->n_signatures == again->n_signatures);
	require(memcmp(env->signature, again->signature,
		       sizeof(env->signature)) == 0);
	require(env->n_proofs == again->n_proofs);
	return 0;
}

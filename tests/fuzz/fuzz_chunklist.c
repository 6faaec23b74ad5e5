/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk list; the one that is taken has one spelling. */
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_free struct chunk_list *list = NULL;
	auto_free char *text = NULL;
	struct err e;
	size_t n;

	if (chunk_list_parse((const char *)data, len, &list, &e) < 0)
		return 0;
	if (chunk_list_text(list->chunk, list->n, &text, &n, &e) < 0 ||
	    n != len || memcmp(text, data, len) != 0)
		abort();
	return 0;
}

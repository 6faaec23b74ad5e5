/* SPDX-License-Identifier: Apache-2.0 */
/* What a device signed as a receipt. */
#include "lib/auto.h"
#include "lib/document/receipt.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(receipt_fini) struct receipt r = { 0 };
	struct err e;

	if (receipt_parse(data, len, &r, &e) == 0 &&
	    (!receipt_type_name(r.type) || !r.device || !r.details))
		abort();
	return 0;
}

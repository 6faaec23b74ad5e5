/* SPDX-License-Identifier: Apache-2.0 */
/* A document: the first byte selects the type, the rest is the XML. */
#include "lib/document/doc.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum doc_type t;
	struct doc *d = NULL;
	struct err e;

	if (len == 0)
		return 0;
	t = DOC_NONE + 1 + data[0] % (DOC_TYPE_COUNT - 1);
	if (doc_parse(t, data + 1, len - 1, &d, &e) == 0)
		doc_free(d);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/snapshot.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct doc_group group = {
		.head = { .type = DOC_GROUP, .id = "field", .version = 5 },
		.n_refs = 1,
		.ref = { { DOC_VP_CONFIG, "work", 3 } },
	};
	auto_free struct snapshot *s = NULL;
	const struct document_set none = { 0 };
	struct err e;

	if (snapshot_parse(data, len, &s, &e) < 0)
		return 0;
	snapshot_check_group(s, "field", 5, &e);
	snapshot_check_group_refs(s, &group, &e);
	snapshot_check_images(s, &none, &e);
	return 0;
}

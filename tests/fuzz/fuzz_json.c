/* SPDX-License-Identifier: Apache-2.0 */
/* JSON; its one spelling must be read back as the same. */
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/json.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_json json_t *j = NULL, *again = NULL;
	auto_free char *text = NULL;
	struct err e;

	if (json_parse((const char *)data, len, "input", &j, &e) < 0)
		return 0;
	text = json_text(j);
	if (!text || json_parse(text, strlen(text), "text", &again, &e) < 0 ||
	    !json_equal(j, again))
		abort();
	return 0;
}

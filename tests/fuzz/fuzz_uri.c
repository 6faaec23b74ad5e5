/* SPDX-License-Identifier: Apache-2.0 */
/* An enrollment URI; what is taken must come back from its own text. */
#include "lib/auto.h"
#include "lib/document/enroll_uri.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_free char *s = strndup((const char *)data, len), *text = NULL;
	struct enroll_uri u, again;
	struct err e;

	memset(&u, 0, sizeof(u));
	memset(&again, 0, sizeof(again));
	if (!s || enroll_uri_parse(s, &u, &e) < 0)
		return 0;
	if (enroll_uri_format(&u, &text, &e) < 0 ||
	    enroll_uri_parse(text, &again, &e) < 0 ||
	    memcmp(&u, &again, sizeof(u)) != 0)
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A document's text with one attribute replaced: all else stays as it was. */
#include "cellsadm/documents/doc_file.h"
#include "cellsadm/documents/revision.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_free char *text = strndup((const char *)data, len);
	auto_free char *once = NULL;
	struct err e;

	if (!text)
		return 0;
	doc_file_detect_type(text, strlen(text));
	if (revision_set_attribute(&text, "group", "version", "12", &e) < 0)
		return 0;
	once = strdup(text);
	if (!once ||
	    revision_set_attribute(&text, "group", "version", "12", &e) < 0 ||
	    strcmp(once, text) != 0)
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server answers, as cellsadm shows it: whatever it says, nothing but
 * text reaches the terminal.
 */
#include "cellsadm/ui/access_matrix.h"
#include "cellsadm/ui/diff.h"
#include "cellsadm/verbs/plan.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/json.h"
#include "tests/fuzz/fuzz.h"

static void must_be_text(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' && s[i] != '\n')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;
	struct err e;
	size_t n;
	FILE *f;

	if (len > 64 * 1024)
		return 0;
	f = open_memstream(&text, &n);
	if (!f)
		return 0;
	diff_write(f, (const char *)data, len / 2, (const char *)data + len / 2,
		   len - len / 2, false);
	if (json_parse((const char *)data, len, "input", &j, &e) == 0) {
		access_matrix_write(f, j, false, true);
		access_matrix_write(f, j, false, false);
		access_matrix_explain(f, j);
		plan_write(f, j);
	}
	fclose(f);
	must_be_text(text, n);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/metrics.h"

#include "lib/auto.h"

#include <inttypes.h>

char *metrics_format_text(const struct metrics *g, uint64_t entries)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
#define METRICS_LINE(member, name, kind, help)                                 \
	fprintf(f,                                                             \
		"# HELP cells_mgmtd_" name " " help                            \
		"\n# TYPE cells_mgmtd_" name " " kind "\ncells_mgmtd_" name    \
		" %" PRIu64 "\n",                                              \
		g->member);
	METRICS(METRICS_LINE)
#undef METRICS_LINE
	fprintf(f,
		"# HELP cells_mgmtd_audit_entries leaves of the audit tree\n"
		"# TYPE cells_mgmtd_audit_entries gauge\n"
		"cells_mgmtd_audit_entries %" PRIu64 "\n",
		entries);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

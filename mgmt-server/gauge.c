/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/gauge.h"

#include "lib/auto.h"
#include "mgmt-server/handlers.h"
#include "mgmt-server/request.h"
#include "mgmt-server/server.h"

#include <inttypes.h>

char *gauge_text(const struct server *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
#define GAUGE_LINE(member, name, kind, help)                                   \
	fprintf(f,                                                             \
		"# HELP cells_mgmtd_" name " " help                            \
		"\n# TYPE cells_mgmtd_" name " " kind "\ncells_mgmtd_" name    \
		" %" PRIu64 "\n",                                              \
		s->gauge.member);
	GAUGES(GAUGE_LINE)
#undef GAUGE_LINE
	fprintf(f,
		"# HELP cells_mgmtd_audit_entries leaves of the audit tree\n"
		"# TYPE cells_mgmtd_audit_entries gauge\n"
		"cells_mgmtd_audit_entries %" PRIu64 "\n",
		s->tree.size);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int gauge_show(struct request *rq, struct err *e)
{
	return request_text(rq, 200, "text/plain; version=0.0.4",
			    gauge_text(rq->server), e);
}

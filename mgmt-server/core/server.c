/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/server.h"

#include "mgmt-server/store/root.h"

int server_reload_root(struct server *s, struct err *e)
{
	struct doc *root = NULL;
	int r = root_load(s->db, &root, e);

	if (r < 0)
		return r;
	doc_free(s->root);
	s->root = root;
	return 0;
}

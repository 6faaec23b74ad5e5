/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/list.h"

#include "lib/auto.h"
#include "mgmt-server/cellsadm/remote.h"
#include "mgmt-server/cellsadm/table.h"

int list_print_items(struct adm *a, const char *const *path, unsigned int max,
		     const struct column *columns, struct err *e)
{
	auto_json json_t *items = NULL;
	int r = remote_list(a, path, max, &items, e);

	return r < 0 ? r : table_print_rows(a, columns, items, e);
}

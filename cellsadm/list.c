/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/list.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "lib/auto.h"
#include "lib/table.h"

int list_print_items(struct adm *a, const char *const *path, unsigned int max,
		     const struct table_column *columns, struct err *e)
{
	auto_json json_t *items = NULL;
	int r = remote_list(a, path, max, &items, e);

	return r < 0 ? r : adm_print_rows(a, columns, items, e);
}

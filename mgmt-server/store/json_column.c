/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/json_column.h"

#include "lib/db.h"
#include "lib/err.h"

#include <errno.h>

int json_column_read(struct db_row *row, int column, json_t **ret,
		     struct err *e)
{
	const char *text = db_text_or_null(row, column);
	json_t *j = text ? json_from_text(text) : json_null();

	if (!j)
		return err_set(e, EBADMSG, "the database's %s is damaged",
			       db_column_name(row, column));
	*ret = j;
	return 0;
}

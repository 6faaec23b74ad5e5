/* SPDX-License-Identifier: Apache-2.0 */
/* The reserve of policyd/store.h. */
#include "policyd/store.h"

#include "lib/auto.h"
#include "policyd/storepriv.h"

static int get_number(struct store *s, const char *pragma, int64_t *ret,
		      struct err *e)
{
	sqlite3_stmt *st;
	int r = db_first(s->db, &st, e, pragma, "");

	if (r > 0)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return r < 0 ? r : 0;
}

static int get_free(struct store *s, int64_t *ret, struct err *e)
{
	int64_t pages = 0, size = 0;
	int r = get_number(s, "PRAGMA freelist_count", &pages, e);

	if (r == 0)
		r = get_number(s, "PRAGMA page_size", &size, e);
	if (r == 0)
		*ret = pages * size;
	return r;
}

/* Two commits: what is inserted and deleted in one is never written, and takes
 * no room on the disk. */
static int fill(struct store *s, int64_t bytes, struct err *e)
{
	int r = db_run(s->db, e, "INSERT INTO reserve VALUES (zeroblob(?))",
		       "i", bytes);

	return r < 0 ? r : db_exec(s->db, "DELETE FROM reserve", e);
}

int store_reserve(struct store *s, struct err *e)
{
	int64_t free = 0;
	int r = get_free(s, &free, e);

	if (r < 0 || free >= STORE_RESERVE_MIN)
		return r;
	/* A restart between the two. */
	r = db_exec(s->db, "DELETE FROM reserve", e);
	return r < 0 ? r : fill(s, STORE_RESERVE_MAX, e);
}

int store_begin_bulk(struct store *s, bool durable, struct store **ret_tx,
		     struct err *e)
{
	int r = store_reserve(s, e);

	return r < 0 ? r : store_begin(s, durable, ret_tx, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The reserve of policyd/store/store.h. */
#include "policyd/store/store.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "policyd/store/store_internal.h"

#include <errno.h>
#include <sys/statvfs.h>

/* For the file and its log, and for who else is writing. */
#define ROOM (4 * (uint64_t)STORE_RESERVE_MAX)

static int get_pragma_number(struct store *s, const char *pragma, int64_t *ret,
			     struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e, pragma, "");

	if (r > 0)
		*ret = db_int(row, 0);
	return r < 0 ? r : 0;
}

static int get_free_bytes(struct store *s, int64_t *ret, struct err *e)
{
	int64_t pages = 0, size = 0;
	int r = get_pragma_number(s, "PRAGMA freelist_count", &pages, e);

	if (r == 0)
		r = get_pragma_number(s, "PRAGMA page_size", &size, e);
	if (r == 0)
		*ret = pages * size;
	return r;
}

/* What did not fit in the end would stay in the log, which could then not
 * restart. */
static int check_disk_space(struct store *s, struct err *e)
{
	struct statvfs fs;

	if (statvfs(s->dir, &fs) < 0)
		return err_sys(e, errno, "look at %s", s->dir);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < ROOM)
		return err_reason(
			e, REASON_STORAGE_FULL,
			"the disk of %s is full: what is left is kept "
			"for commands",
			s->dir);
	return 0;
}

/* Two commits: what is inserted and deleted in one is never written, and takes
 * no room on the disk. */
static int fill_reserve(struct store *s, int64_t bytes, struct err *e)
{
	int r = db_run(s->db, e, "INSERT INTO reserve VALUES (zeroblob(?))",
		       "i", bytes);

	return r < 0 ? r : db_exec(s->db, "DELETE FROM reserve", e);
}

int store_fill_reserve(struct store *s, struct err *e)
{
	int64_t free = 0;
	int r = get_free_bytes(s, &free, e);

	if (r < 0 || free >= STORE_RESERVE_MIN)
		return r;
	r = check_disk_space(s, e);
	if (r < 0)
		return r;
	/* A restart between the two. */
	r = db_exec(s->db, "DELETE FROM reserve", e);
	return r < 0 ? r : fill_reserve(s, STORE_RESERVE_MAX, e);
}

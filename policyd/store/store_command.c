/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of policyd/store/store.h. */
#include "lib/auto.h"
#include "lib/err.h"
#include "policyd/store/store.h"
#include "policyd/store/store_internal.h"

#include <string.h>

#define COMMAND_COLUMNS                                                        \
	"id, vp, type, version, digest, expires, action, cause, done, "        \
	"receipt, void, begun"

static void read_command_row(struct db_row *row, struct store_command *ret)
{
	struct store_command j = { 0 };

	store_copy_truncated(j.id, sizeof(j.id), db_text(row, 0));
	store_copy_truncated(j.vp, sizeof(j.vp), db_text(row, 1));
	j.type = doc_type_from_name(db_text(row, 2));
	j.version = (uint32_t)db_int(row, 3);
	db_copy_blob(row, 4, j.digest, sizeof(j.digest));
	j.expires = db_int(row, 5);
	store_copy_truncated(j.action, sizeof(j.action), db_text(row, 6));
	store_copy_truncated(j.cause, sizeof(j.cause), db_text(row, 7));
	j.done = db_bool(row, 8);
	j.receipt = db_int(row, 9);
	j.is_void = db_bool(row, 10);
	j.is_started = db_bool(row, 11);
	*ret = j;
}

/* Whose quota it counts against; "": the device's own rules have none. */
static const char *get_command_role(const struct store_command *j)
{
	if (j->type == DOC_NONE)
		return "";
	if (j->type == DOC_MEMBERSHIP)
		return doc_role_name(DOC_ROLE_POLICY);
	for (enum doc_action a = 0; a < DOC_ACTION_COUNT; a++)
		if (strcmp(doc_action_name(a), j->action) == 0)
			return doc_role_name(doc_action_role(a));
	return doc_role_name(DOC_ROLE_COMMAND);
}

static int count_commands(struct store *s, const char *role, int64_t *ret,
			  struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e,
			 "SELECT count(*) FROM job WHERE role = ? AND void = 0",
			 "s", role);

	if (r > 0)
		*ret = db_int(row, 0);
	return r < 0 ? r : 0;
}

/* What was refused longest ago goes first. */
static int trim_void_commands(struct store *s, const char *role, struct err *e)
{
	return db_run(s->db, e,
		      "DELETE FROM job WHERE role = ? AND void = 1 AND number "
		      "<= (SELECT number FROM job WHERE role = ? AND void = 1 "
		      "ORDER BY number DESC LIMIT 1 OFFSET ?)",
		      "ssi", role, role, (int64_t)STORE_VOID_MAX);
}

int store_put_command(struct store *s, const struct store_command *j,
		      int64_t greatest, int64_t ran, struct err *e)
{
	const char *role = get_command_role(j);
	int64_t number = 0, n = 0;
	int r;

	r = db_run(s->db, e,
		   "DELETE FROM job WHERE done = 1 AND expires < ? "
		   "AND keep < ?",
		   "ii", greatest, ran);
	if (r == 0 && j->type != DOC_NONE && !j->is_void)
		r = count_commands(s, role, &n, e);
	if (r < 0)
		return r;
	if (n >= STORE_COMMANDS_MAX)
		return err_reason(e, REASON_BUSY,
				  "%d commands of the role %s are held until "
				  "they expire",
				  STORE_COMMANDS_MAX, role);
	r = store_increment(s, STORE_COMMAND_NUMBER, &number, e);
	if (r < 0)
		return r;
	r = db_run(s->db, e,
		   "INSERT INTO job (" COMMAND_COLUMNS ", number, role, keep) "
		   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		   "sssibissiiiiisi", j->id, j->vp,
		   j->type == DOC_NONE ? "" : doc_type_name(j->type),
		   (int64_t)j->version, j->digest, sizeof(j->digest),
		   j->expires, j->action, j->cause, (int64_t)j->done,
		   j->receipt, (int64_t)j->is_void, (int64_t)j->is_started,
		   number, role, j->keep);
	return r == 0 && j->is_void ? trim_void_commands(s, role, e) : r;
}

int store_get_command(struct store *s, const char *id,
		      struct store_command *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e,
			 "SELECT " COMMAND_COLUMNS " FROM job WHERE id = ?",
			 "s", id);

	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	read_command_row(row, ret);
	return 0;
}

static int get_stored_role(struct store *s, const char *id,
			   char ret[STORE_WORD_SIZE], struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e, "SELECT role FROM job WHERE id = ?",
			 "s", id);

	store_copy_truncated(ret, STORE_WORD_SIZE,
			     r > 0 ? db_text(row, 0) : "");
	return r < 0 ? r : 0;
}

int store_mark_command_started(struct store *s, const char *id, struct err *e)
{
	return db_run(s->db, e, "UPDATE job SET begun = 1 WHERE id = ?", "s",
		      id);
}

int store_mark_command_done(struct store *s, const char *id, int64_t receipt,
			    bool is_void, struct err *e)
{
	char role[STORE_WORD_SIZE];
	int r = db_run(s->db, e,
		       "UPDATE job SET done = 1, receipt = ?, void = ?, "
		       "sealed_key = NULL WHERE id = ?",
		       "iis", receipt, (int64_t)is_void, id);

	if (r == 0)
		r = get_stored_role(s, id, role, e);
	return r == 0 && is_void && *role ? trim_void_commands(s, role, e) : r;
}

int store_put_sealed_key(struct store *s, const char *id, const void *key,
			 size_t len, struct err *e)
{
	return db_run(s->db, e, "UPDATE job SET sealed_key = ? WHERE id = ?",
		      "bs", key, len, id);
}

int store_get_sealed_key(struct store *s, const char *id, void **ret,
			 size_t *ret_len, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	const void *key;
	void *copy = NULL;
	size_t len = 0;
	int r = db_first(s->db, &row, e,
			 "SELECT sealed_key FROM job WHERE id = ?", "s", id);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	key = db_blob(row, 0, &len);
	if (len > 0) {
		copy = malloc(len);
		if (copy)
			memcpy(copy, key, len);
	}
	if (len == 0)
		return -ENOENT;
	if (!copy)
		return err_oom(e, "read a command");
	*ret = copy;
	*ret_len = len;
	return 0;
}

int store_list_open_commands(struct store *s, struct store_command *ret,
			     unsigned int max, struct err *e)
{
	unsigned int n = 0;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e,
			 "SELECT " COMMAND_COLUMNS " FROM job WHERE done = 0 "
			 "ORDER BY number LIMIT ?",
			 "i", (int64_t)max);

	while (r == 0 && db_next(row, &r, e))
		read_command_row(row, &ret[n++]);
	return r < 0 ? r : (int)n;
}

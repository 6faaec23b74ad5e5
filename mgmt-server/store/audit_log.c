/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/audit_log.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

#define TREE_HEAD_TYPE ENVELOPE_TYPE_JSON("tree-head")

/* ---- the tree */

static int load_tree_peaks(struct db *db, struct merkle *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	const void *peaks;
	size_t len;
	int r = db_first(db, &row, e, "SELECT size, peaks FROM tree", "");

	if (r <= 0)
		return r;
	peaks = db_blob(row, 1, &len);
	if (len != sizeof(ret->peak))
		return err_set(e, EBADMSG, "the tree's state is damaged");
	ret->size = (uint64_t)db_int(row, 0);
	memcpy(ret->peak, peaks, len);
	return 0;
}

/* The roots of the subtrees that the last leaf completed. */
static int insert_completed_nodes(struct db *db, const struct merkle *tree,
				  struct err *e)
{
	const uint8_t *hash;
	int r = 0;

	for (unsigned int level = 1;
	     r == 0 && (hash = merkle_completed(tree, level)); level++)
		r = db_run(db, e,
			   "INSERT INTO node (level, number, hash) VALUES (?, "
			   "?, ?)",
			   "iib", (int64_t)level,
			   (int64_t)((tree->size - 1) >> level), hash,
			   (size_t)HASH_SIZE);
	return r;
}

/* 1: a tree that was written by a version before there were nodes. */
static int has_missing_nodes(struct db *db, uint64_t size, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r;

	if (size < 2)
		return 0;
	r = db_first(db, &row, e,
		     "SELECT 1 FROM node WHERE level = 1 AND number = ?", "i",
		     (int64_t)(size / 2 - 1));
	return r < 0 ? r : r == 0;
}

static int replay_tree_leaves(struct db *db, uint64_t size, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	struct merkle m = { 0 };
	int r = db_query(db, &row, e, "SELECT hash FROM leaf ORDER BY number",
			 "");

	while (db_next(row, &r, e)) {
		const void *hash;
		size_t len;

		hash = db_blob(row, 0, &len);
		if (len != HASH_SIZE)
			return err_set(e, EBADMSG, "a leaf is damaged");
		merkle_add(&m, hash);
		r = insert_completed_nodes(db, &m, e);
	}
	if (r == 0 && m.size != size)
		r = err_set(e, EBADMSG, "the tree has %llu entries, not %llu",
			    (unsigned long long)m.size,
			    (unsigned long long)size);
	return r;
}

static int rebuild_tree_nodes(struct db *db, uint64_t size, struct err *e)
{
	int r = db_begin(db, e);

	if (r < 0)
		return r;
	/* Some may be there: those of entries that were added since. */
	r = db_exec(db, "DELETE FROM node", e);
	if (r == 0)
		r = replay_tree_leaves(db, size, e);
	if (r == 0)
		return db_commit(db, e);
	db_rollback(db);
	return r;
}

int audit_log_load_tree(struct db *db, struct merkle *ret, struct err *e)
{
	struct merkle m = { 0 };
	int r = load_tree_peaks(db, &m, e);

	if (r == 0)
		r = has_missing_nodes(db, m.size, e);
	if (r > 0)
		r = rebuild_tree_nodes(db, m.size, e);
	if (r == 0)
		*ret = m;
	return r;
}

/* ---- entries */

static int set_optional_text(json_t *j, const char *name, const char *value)
{
	return value ? json_object_set_new(j, name, json_string(value)) : 0;
}

/* The leaf's bytes. */
static char *format_entry_text(const struct audit_log_entry *en, int64_t now)
{
	auto_json json_t *j = json_object();
	char time[ENCODING_TIME_SIZE];
	int r;

	encoding_format_time(now, time);
	r = json_object_set_new(j, "format", json_integer(1));
	r |= set_optional_text(j, "time", time);
	r |= set_optional_text(j, "who", en->who);
	r |= set_optional_text(j, "from", en->from);
	r |= set_optional_text(j, "action", en->action);
	r |= set_optional_text(j, "object", en->object);
	r |= set_optional_text(j, "device", en->device);
	r |= set_optional_text(j, "group", en->group);
	r |= set_optional_text(j, "outcome", en->outcome ? en->outcome : "ok");
	if (en->before)
		r |= json_object_set(j, "before", en->before);
	if (en->after)
		r |= json_object_set(j, "after", en->after);
	return r ? NULL : json_text(j);
}

int audit_log_append(struct db *db, struct merkle *tree,
		     const struct audit_log_entry *en, uint64_t *ret_index,
		     struct err *e)
{
	int64_t now = clock_wall();
	auto_free char *text = format_entry_text(en, now);
	uint8_t hash[HASH_SIZE];
	struct merkle next = *tree;
	int r;

	if (!text)
		return err_oom(e, "write the audit");
	merkle_leaf(text, strlen(text), hash);
	merkle_add(&next, hash);
	r = db_run(
		db, e,
		"INSERT INTO leaf (number, time, who, source, action, object,"
		" device, grp, outcome, text, hash)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"iissssssssb", (int64_t)tree->size, now, en->who, en->from,
		en->action, en->object, en->device, en->group,
		en->outcome ? en->outcome : "ok", text, hash, sizeof(hash));
	if (r < 0)
		return r;
	r = db_run(db, e,
		   "INSERT INTO tree (one, size, peaks) VALUES (1, ?, ?)"
		   " ON CONFLICT (one) DO UPDATE SET size = excluded.size,"
		   " peaks = excluded.peaks",
		   "ib", (int64_t)next.size, next.peak, sizeof(next.peak));
	if (r == 0)
		r = insert_completed_nodes(db, &next, e);
	if (r < 0)
		return r;
	if (ret_index)
		*ret_index = tree->size;
	*tree = next;
	return 0;
}

/* ---- heads and proofs */

int audit_log_sign_head(const struct merkle *tree, const char *org,
			const struct key *director, char **ret, struct err *e)
{
	char root[ENCODING_DIGEST_SIZE], time[ENCODING_TIME_SIZE];
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;
	uint8_t hash[HASH_SIZE];

	merkle_root(tree, hash);
	encoding_format_digest(hash, root);
	encoding_format_time(clock_wall(), time);
	j = json_pack("{s:i, s:s, s:s, s:I, s:s}", "format", 1, "org", org,
		      "root", root, "size", (json_int_t)tree->size, "time",
		      time);
	text = j ? json_text(j) : NULL;
	if (!text)
		return err_oom(e, "sign the tree head");
	return envelope_make(TREE_HEAD_TYPE, text, strlen(text), director, ret,
			     e);
}

struct node_reader {
	struct db *db;
	struct err *e;
};

static int read_tree_node(void *ctx, unsigned int level, uint64_t number,
			  uint8_t ret[HASH_SIZE])
{
	AUTO(db_done) struct db_row *row = NULL;
	struct node_reader *rd = ctx;
	const void *hash;
	size_t len;
	int r;

	if (level == 0)
		r = db_first(rd->db, &row, rd->e,
			     "SELECT hash FROM leaf WHERE number = ?", "i",
			     (int64_t)number);
	else
		r = db_first(rd->db, &row, rd->e,
			     "SELECT hash FROM node WHERE level = ? AND"
			     " number = ?",
			     "ii", (int64_t)level, (int64_t)number);
	if (r < 0)
		return r;
	hash = r > 0 ? db_blob(row, 0, &len) : NULL;
	if (!hash || len != HASH_SIZE)
		return err_set(rd->e, EBADMSG,
			       "part %llu of level %u of the tree is lost",
			       (unsigned long long)number, level);
	memcpy(ret, hash, HASH_SIZE);
	return 0;
}

static int build_proof_path(uint8_t path[][HASH_SIZE], unsigned int n,
			    json_t **ret, struct err *e)
{
	auto_json json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++) {
		char hex[2 * HASH_SIZE + 1];

		encoding_to_hex(path[i], HASH_SIZE, hex);
		if (json_array_append_new(list, json_string(hex)) < 0)
			return err_oom(e, "prove");
	}
	*ret = steal(list);
	return 0;
}

int audit_log_prove_inclusion(struct db *db, const struct merkle *tree,
			      uint64_t index, uint64_t size, json_t **ret,
			      struct err *e)
{
	uint8_t path[MERKLE_PATH_MAX][HASH_SIZE];
	struct node_reader rd = { db, e };
	unsigned int n = 0;
	int r;

	if (size > tree->size || index >= size)
		return err_set(e, ENOENT, "the tree has %llu entries",
			       (unsigned long long)tree->size);
	r = merkle_prove_inclusion(read_tree_node, &rd, index, size, path, &n);
	return r < 0 ? r : build_proof_path(path, n, ret, e);
}

int audit_log_prove_consistency(struct db *db, const struct merkle *tree,
				uint64_t first, uint64_t second, json_t **ret,
				struct err *e)
{
	uint8_t path[MERKLE_PATH_MAX][HASH_SIZE];
	struct node_reader rd = { db, e };
	unsigned int n = 0;
	int r;

	if (second > tree->size || first > second || first == 0)
		return err_set(e, ENOENT, "the tree has %llu entries",
			       (unsigned long long)tree->size);
	r = merkle_prove_consistency(read_tree_node, &rd, first, second, path,
				     &n);
	return r < 0 ? r : build_proof_path(path, n, ret, e);
}

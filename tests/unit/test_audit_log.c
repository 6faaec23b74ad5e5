/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/audit_log.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "mgmt-server/store/schema.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#define ENTRIES 70

static struct db *db;
static struct merkle tree;
static struct err e;

static void append(const char *action)
{
	const struct audit_log_entry en = {
		.who = "alice", .from = "local", .action = action, .object = "x"
	};

	ck_assert_msg(audit_log_append(db, &tree, &en, NULL, &e) == 0, "%s",
		      e.text);
}

static void set_up(void)
{
	ck_assert_msg(schema_create_database(unit_folder(), "acme", &db, &e) ==
			      0,
		      "%s", e.text);
	memset(&tree, 0, sizeof(tree));
}

static void tear_down(void)
{
	db_close(db);
}

static unsigned int take_path(json_t *list, uint8_t path[][HASH_SIZE])
{
	size_t i;
	json_t *j;

	json_array_foreach (list, i, j)
		ck_assert_int_eq(encoding_from_hex(json_string_value(j),
						   path[i], HASH_SIZE),
				 0);
	return (unsigned int)json_array_size(list);
}

static void leaf_of(uint64_t index, uint8_t ret[HASH_SIZE])
{
	AUTO(db_done) struct db_row *row = NULL;

	ck_assert_int_eq(db_first(db, &row, &e,
				  "SELECT text FROM leaf WHERE number = ?", "i",
				  (int64_t)index),
			 1);
	merkle_leaf(db_text(row, 0), strlen(db_text(row, 0)), ret);
}

START_TEST(each_entry_is_proved_to_be_in_the_tree)
{
	uint8_t path[MERKLE_PATH_MAX][HASH_SIZE], root[HASH_SIZE];
	uint8_t leaf[HASH_SIZE];

	set_up();
	for (int i = 0; i < ENTRIES; i++)
		append("test");
	merkle_root(&tree, root);
	for (uint64_t i = 0; i < ENTRIES; i++) {
		auto_json json_t *list = NULL;
		unsigned int n;

		ck_assert_int_eq(audit_log_prove_inclusion(db, &tree, i,
							   ENTRIES, &list, &e),
				 0);
		n = take_path(list, path);
		leaf_of(i, leaf);
		ck_assert(merkle_check_inclusion(leaf, i, ENTRIES,
						 (const void *)path, n, root));
		leaf[0] ^= 1;
		ck_assert(!merkle_check_inclusion(leaf, i, ENTRIES,
						  (const void *)path, n, root));
	}
	tear_down();
}
END_TEST

START_TEST(each_earlier_tree_is_proved_to_be_its_prefix)
{
	uint8_t path[MERKLE_PATH_MAX][HASH_SIZE], root[HASH_SIZE];
	uint8_t earlier[ENTRIES + 1][HASH_SIZE];

	set_up();
	for (int i = 1; i <= ENTRIES; i++) {
		append("test");
		merkle_root(&tree, earlier[i]);
	}
	merkle_root(&tree, root);
	for (uint64_t i = 1; i <= ENTRIES; i++) {
		auto_json json_t *list = NULL;
		unsigned int n;

		ck_assert_int_eq(audit_log_prove_consistency(
					 db, &tree, i, ENTRIES, &list, &e),
				 0);
		n = take_path(list, path);
		ck_assert(merkle_check_consistency(i, earlier[i], ENTRIES, root,
						   (const void *)path, n));
		if (i < ENTRIES) {
			earlier[i][5] ^= 1;
			ck_assert(!merkle_check_consistency(
				i, earlier[i], ENTRIES, root,
				(const void *)path, n));
		}
	}
	tear_down();
}
END_TEST

START_TEST(tree_is_the_same_when_it_is_loaded_again)
{
	uint8_t before[HASH_SIZE], after[HASH_SIZE];
	struct merkle again;

	set_up();
	for (int i = 0; i < 13; i++)
		append("test");
	merkle_root(&tree, before);
	ck_assert_int_eq(audit_log_load_tree(db, &again, &e), 0);
	ck_assert_uint_eq(again.size, 13);
	merkle_root(&again, after);
	ck_assert_mem_eq(before, after, HASH_SIZE);
	tear_down();
}
END_TEST

static const char *const losses[] = {
	"DELETE FROM node",
	/* the last of the first level, which is what is looked for */
	"DELETE FROM node WHERE level = 1 AND number = 34",
};

/* What was written before there was a table of nodes gets them when it is
 * opened, and they are the same; so does one that lost some. */
START_TEST(tree_of_an_older_version_gets_its_nodes)
{
	static const char all[] =
		"SELECT group_concat(level || ' ' || number || hex(hash))"
		" FROM node";
	struct db_row *row = NULL;
	auto_free char *before = NULL;
	auto_json json_t *list = NULL;
	struct merkle again;

	set_up();
	for (int i = 0; i < ENTRIES; i++)
		append("test");
	ck_assert_int_eq(db_first(db, &row, &e, all, ""), 1);
	before = strdup(db_text(row, 0));
	db_done(&row);
	ck_assert_int_eq(db_exec(db, losses[_i], &e), 0);
	ck_assert_int_eq(audit_log_prove_inclusion(db, &tree, ENTRIES - 3,
						   ENTRIES, &list, &e),
			 -EBADMSG);
	ck_assert_msg(audit_log_load_tree(db, &again, &e) == 0, "%s", e.text);
	ck_assert_int_eq(db_first(db, &row, &e, all, ""), 1);
	ck_assert_str_eq(db_text(row, 0), before);
	db_done(&row);
	ck_assert_int_eq(db_exec(db, "DELETE FROM leaf WHERE number = 9", &e),
			 0);
	ck_assert_int_eq(db_exec(db, "DELETE FROM node", &e), 0);
	ck_assert_int_eq(audit_log_load_tree(db, &again, &e), -EBADMSG);
	tear_down();
}
END_TEST

START_TEST(proofs_outside_the_tree_are_refused)
{
	json_t *list = NULL;

	set_up();
	append("test");
	ck_assert_int_eq(audit_log_prove_inclusion(db, &tree, 1, 1, &list, &e),
			 -ENOENT);
	ck_assert_int_eq(audit_log_prove_inclusion(db, &tree, 0, 2, &list, &e),
			 -ENOENT);
	ck_assert_int_eq(
		audit_log_prove_consistency(db, &tree, 0, 1, &list, &e),
		-ENOENT);
	ck_assert_int_eq(
		audit_log_prove_consistency(db, &tree, 1, 2, &list, &e),
		-ENOENT);
	ck_assert_ptr_null(list);
	tear_down();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, each_entry_is_proved_to_be_in_the_tree);
	tcase_add_test(tc, each_earlier_tree_is_proved_to_be_its_prefix);
	tcase_add_test(tc, tree_is_the_same_when_it_is_loaded_again);
	tcase_add_loop_test(tc, tree_of_an_older_version_gets_its_nodes, 0,
			    ARRAY_SIZE(losses));
	tcase_add_test(tc, proofs_outside_the_tree_are_refused);
}

UNIT_MAIN("audit_log", add)

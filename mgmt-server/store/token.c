/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/token.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

#define SECRET_SIZE 32
#define ID_SIZE 8
#define GROUPS_MAX 64

static const struct {
	const char *name;
	unsigned int rights;
} roles[] = {
	{ "viewer", RIGHT_READ },
	{ "auditor", RIGHT_READ | RIGHT_AUDIT },
	{ "operator", RIGHT_READ | RIGHT_OPERATE },
	{ "policy-admin", RIGHT_READ | RIGHT_POLICY },
	{ "image-admin", RIGHT_READ | RIGHT_IMAGE },
	{ "admin", RIGHT_READ | RIGHT_AUDIT | RIGHT_OPERATE | RIGHT_POLICY |
			   RIGHT_IMAGE | RIGHT_ADMIN },
};

static const struct {
	enum right right;
	const char *name;
} right_names[] = {
	{ RIGHT_PUBLIC, "public" }, { RIGHT_READ, "read" },
	{ RIGHT_AUDIT, "audit" },   { RIGHT_OPERATE, "operate" },
	{ RIGHT_POLICY, "policy" }, { RIGHT_IMAGE, "image" },
	{ RIGHT_ADMIN, "admin" },   { RIGHT_SUBMIT, "submit" },
};

unsigned int token_get_role_rights(const char *role)
{
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (strcmp(roles[i].name, role) == 0)
			return roles[i].rights;
	return 0;
}

const char *token_get_right_name(enum right r)
{
	for (size_t i = 0; i < ARRAY_SIZE(right_names); i++)
		if (right_names[i].right == r)
			return right_names[i].name;
	return "";
}

void token_fini(struct token *b)
{
	json_decref(b->groups);
	b->groups = NULL;
}

bool token_can_see_group(const struct token *b, const char *group)
{
	size_t i;
	json_t *j;

	if (json_array_size(b->groups) == 0)
		return true;
	json_array_foreach (b->groups, i, j)
		if (group && strcmp(json_string_value(j), group) == 0)
			return true;
	return false;
}

int token_authenticate(struct db *db, const char *token, struct token *ret,
		       struct err *e)
{
	uint8_t hash[HASH_SIZE];
	AUTO(db_done) struct db_row *row = NULL;
	int r;

	hash_sha256(token, strlen(token), hash);
	r = db_first(db, &row, e,
		     "SELECT id, name, user, role, groups, expires FROM token"
		     " WHERE hash = ? AND expires > ?",
		     "bi", hash, sizeof(hash), clock_wall());
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, ENOKEY,
			       "the token is unknown or has expired");
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->id, sizeof(ret->id), "%s", db_text(row, 0));
	snprintf(ret->user, sizeof(ret->user), "%s", db_text(row, 2));
	snprintf(ret->name, sizeof(ret->name), "%s",
		 ret->user[0] ? ret->user : db_text(row, 1));
	snprintf(ret->role, sizeof(ret->role), "%s", db_text(row, 3));
	ret->rights = token_get_role_rights(ret->role);
	ret->groups = json_from_text(db_text(row, 4));
	ret->expires = db_int(row, 5);
	/* Without its groups a token would see everything. */
	return json_is_array(ret->groups) ? 0 : err_oom(e, "read the token");
}

int token_check_active(struct db *db, const char *id, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT 1 FROM token WHERE id = ? AND expires > ?",
			 "si", id, clock_wall());

	return r < 0	? r
	       : r == 0 ? err_set(e, ENOKEY, "the token is gone or has expired")
			: 0;
}

int token_create(struct db *db, const char *name, const char *user,
		 const char *role, json_t *groups, int64_t expires,
		 char *ret_token, char ret_id[17], struct err *e)
{
	uint8_t secret[SECRET_SIZE], id[ID_SIZE], hash[HASH_SIZE];
	auto_json json_t *none = json_array();
	auto_free char *text = json_text(groups ? groups : none);

	if (!text)
		return err_oom(e, "make a token");
	hash_random(secret, sizeof(secret));
	hash_random(id, sizeof(id));
	encoding_to_hex(secret, sizeof(secret), ret_token);
	encoding_to_hex(id, sizeof(id), ret_id);
	hash_sha256(ret_token, strlen(ret_token), hash);
	return db_run(db, e,
		      "INSERT INTO token (id, hash, name, user, role, groups,"
		      " created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		      "sbssssii", ret_id, hash, sizeof(hash), name, user, role,
		      text, clock_wall(), expires);
}

int token_check_groups(json_t *groups, struct err *e)
{
	size_t i;
	json_t *j;

	if (json_array_size(groups) > GROUPS_MAX)
		return err_set(e, EINVAL, "more than %d groups", GROUPS_MAX);
	json_array_foreach (groups, i, j)
		if (!json_is_string(j) ||
		    !encoding_is_valid_id(json_string_value(j)))
			return err_set(e, EINVAL, "groups[%zu] is not an id",
				       i);
	return 0;
}

json_t *token_list_rights(unsigned int rights)
{
	json_t *list = json_array();

	for (size_t i = 1; i < ARRAY_SIZE(right_names); i++)
		if (rights & right_names[i].right)
			json_array_append_new(list,
					      json_string(right_names[i].name));
	return list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Local accounts with passwords; a login gives a token. */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/password_pool.h"
#include "mgmt-server/core/ratelimit.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/store/token.h"

#include <errno.h>
#include <string.h>

#define PASSWORD_MIN 12
#define PASSWORD_MAX 1024
#define TTL_DEFAULT 28800
#define TTL_MAX 86400
#define LOGINS_A_SECOND 2 /* of the whole server: each costs work */

struct account {
	char name[65], role[16];
	char *groups;
	char hash[PASSWORD_HASH_SIZE]; /* for an unknown name: nobody's */
	bool found;
};

static void account_fini(struct account *a)
{
	free(a->groups);
}

static int load_account(const struct request *rq, const char *name,
			struct account *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(rq->db, &row, e,
			 "SELECT role, groups, hash FROM user WHERE name = ?",
			 "s", name);

	/* For an unknown name the same work is done as for a known one. */
	snprintf(ret->hash, sizeof(ret->hash), "%s", password_hash_of_nobody());
	if (r <= 0)
		return r;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->role, sizeof(ret->role), "%s", db_text(row, 0));
	ret->found = db_text(row, 2)[0];
	if (ret->found)
		snprintf(ret->hash, sizeof(ret->hash), "%s", db_text(row, 2));
	return db_copy_text(row, 1, &ret->groups, e);
}

static int check_login_rate(struct request *rq, struct err *e)
{
	double rate = (double)rq->context->conf->login_rate / 60;
	char key[80];

	snprintf(key, sizeof(key), "login %s", rq->from);
	if (ratelimit_allow(rq->context->limit, key, rate, rate * 60,
			    clock_mono_ns()) &&
	    ratelimit_allow(rq->context->limit, "login", LOGINS_A_SECOND,
			    4 * LOGINS_A_SECOND, clock_mono_ns()))
		return 0;
	rq->context->turn->metrics->limited++;
	return err_set(e, PROBLEM_LIMITED, "too many log-ins: wait a minute");
}

/* What a child process is asked about a password, and what it answers; 1: it is
 * still at it, or none is free yet. `hash` as of password_pool_start(). */
static int ask_password_pool(struct request *rq, const char *hash,
			     const char *password, struct password_result *ret,
			     struct err *e)
{
	struct password_pool *pool = rq->context->passwords;

	if (rq->job >= 0)
		return password_pool_read(rq->job, ret, e);
	return password_pool_start(pool, hash, password, &rq->job, e) < 0
		       ? -PROBLEM_OVERLOADED
		       : 1;
}

/* A login that waits: the hash that its password is compared with. */
static int begin_login(struct request *rq, const struct account *a,
		       struct err *e)
{
	rq->work = strdup(a->hash);
	rq->work_free = free;
	return rq->work ? 0 : err_oom(e, "log in");
}

/* 0: the password is the account's; 1: not known yet. Meanwhile the account
 * may have got another password. */
static int verify_login_password(struct request *rq, const char *password,
				 const struct account *a, struct err *e)
{
	struct password_result got = { 0 };
	int r = ask_password_pool(rq, rq->work, password, &got, e);

	if (r != 0)
		return r;
	if (!got.is_right || !a->found || strcmp(a->hash, rq->work) != 0)
		return err_set(e, PROBLEM_UNAUTHORIZED,
			       "user or password is wrong");
	return got.hash[0] ? db_run(rq->db, e,
				    "UPDATE user SET hash = ? WHERE name = ?",
				    "ss", got.hash, a->name)
			   : 0;
}

static int issue_login_token(struct request *rq, const struct account *a,
			     int64_t ttl, struct err *e)
{
	auto_json json_t *groups = json_from_text(a->groups);
	int64_t expires = clock_wall() + ttl;
	char token[65], id[17];
	int r = db_run(rq->db, e, "DELETE FROM token WHERE expires <= ?", "i",
		       clock_wall());

	if (r == 0)
		r = token_create(rq->db, "login", a->name, a->role, groups,
				 expires, token, id, e);
	if (r < 0)
		return r;
	request_set_audit(rq, a->name, NULL, NULL, NULL,
			  json_pack("{s:s}", "token", id));
	return request_answer_json(
		rq, 200,
		json_pack("{s:s, s:s, s:s, s:s, s:O, s:o}", "id", id, "user",
			  a->name, "token", token, "role", a->role, "groups",
			  groups, "expires", request_optional_time(expires)),
		e);
}

int account_api_login(struct request *rq, struct err *e)
{
	AUTO(account_fini) struct account a = { 0 };
	const char *user = NULL, *password = NULL;
	int64_t ttl = TTL_DEFAULT;
	const struct json_member table[] = {
		{ "user", JSON_STRING, false, &user },
		{ "password", JSON_STRING, false, &password },
		{ "ttl", JSON_INTEGER, true, &ttl },
		{ NULL },
	};
	int r = rq->work ? 0 : check_login_rate(rq, e);

	if (r == 0)
		r = request_parse_body(rq, table, e);
	if (r < 0)
		return r;
	if (!encoding_is_valid_id(user) || strlen(password) > PASSWORD_MAX ||
	    ttl < 1 || ttl > TTL_MAX)
		return err_set(e, EINVAL, "user, password or ttl is not valid");
	snprintf(rq->caller.name, sizeof(rq->caller.name), "%s", user);
	request_set_audit(rq, user, NULL, NULL, NULL, NULL);
	r = load_account(rq, user, &a, e);
	if (r == 0 && !rq->work)
		r = begin_login(rq, &a, e);
	if (r == 0)
		r = verify_login_password(rq, password, &a, e);
	return r == 0 ? issue_login_token(rq, &a, ttl, e) : r;
}

/* ---- administration */
static int build_user_json(struct request *rq, struct db_row *row, json_t **ret,
			   struct err *e)
{
	*ret = json_pack("{s:s, s:s, s:o, s:o}", "name", db_text(row, 0),
			 "role", db_text(row, 1), "groups",
			 json_from_text(db_text(row, 2)), "created",
			 request_optional_time(db_int(row, 3)));
	return *ret ? 0 : err_oom(e, "list users");
}

#define COLUMNS "SELECT name, role, groups, created, rev FROM user"

int account_api_list(struct request *rq, struct err *e)
{
	static const struct listing l = {
		.sql = COLUMNS,
		.key = "name",
		.key_is_text = true,
		.row = build_user_json,
	};

	return listing_answer(rq, &l, NULL, e);
}

static int load_user_json(struct request *rq, const char *name, json_t **ret,
			  int64_t *ret_rev, struct err *e)
{
	struct db *db = rq->db;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e, COLUMNS " WHERE name = ?", "s", name);

	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, PROBLEM_NOT_FOUND,
				       "there is no user %.64s", name);
	r = build_user_json(rq, row, ret, e);
	*ret_rev = db_int(row, 4);
	request_set_etag(rq, *ret_rev);
	return r;
}

int account_api_show(struct request *rq, struct err *e)
{
	json_t *j = NULL;
	int64_t rev = 0;
	int r = load_user_json(rq, rq->param[0], &j, &rev, e);

	return r < 0 ? r : request_answer_json(rq, 200, j, e);
}

static int check_password_length(const char *password, struct err *e)
{
	size_t n = strlen(password);

	return n >= PASSWORD_MIN && n <= PASSWORD_MAX
		       ? 0
		       : err_set(e, EINVAL,
				 "a password has %d characters or "
				 "more",
				 PASSWORD_MIN);
}

static int check_role_and_groups(const char *role, json_t *groups,
				 struct err *e)
{
	if (!token_get_role_rights(role))
		return err_set(e, EINVAL, "there is no role '%.32s'", role);
	return token_check_groups(groups, e);
}

int account_api_create(struct request *rq, struct err *e)
{
	const char *name = NULL, *password = NULL, *role = NULL;
	json_t *groups = NULL, *j = NULL;
	const struct json_member table[] = {
		{ "name", JSON_STRING, false, &name },
		{ "password", JSON_STRING, false, &password },
		{ "role", JSON_STRING, false, &role },
		{ "groups", JSON_ARRAY, true, &groups },
		{ NULL },
	};
	struct password_result new = { 0 };
	auto_free char *text = NULL;
	int64_t rev = 0;
	int r = request_parse_body(rq, table, e);

	if (r == 0 && !encoding_is_valid_id(name))
		r = err_set(e, EINVAL, "name '%.64s' is not an id", name);
	if (r == 0)
		r = check_role_and_groups(role, groups, e);
	if (r == 0)
		r = check_password_length(password, e);
	if (r == 0)
		r = ask_password_pool(rq, NULL, password, &new, e);
	if (r != 0)
		return r;
	text = groups ? json_text(groups) : strdup("[]");
	if (!text)
		r = err_oom(e, "make an account");
	if (r == 0)
		r = db_run(
			rq->db, e,
			"INSERT INTO user (name, role, groups, hash, created)"
			" VALUES (?, ?, ?, ?, ?)",
			"ssssi", name, role, text, new.hash, clock_wall());
	if (r == -EEXIST)
		return err_set(e, PROBLEM_CONFLICT, "user %s is there", name);
	if (r == 0)
		r = load_user_json(rq, name, &j, &rev, e);
	if (r < 0)
		return r;
	request_set_audit(rq, name, NULL, NULL, NULL, json_deep_copy(j));
	return request_answer_json(rq, 201, j, e);
}

static int update_user_password(struct request *rq, const char *password,
				struct err *e)
{
	struct password_result new = { 0 };
	int r = check_password_length(password, e);

	if (r == 0)
		r = ask_password_pool(rq, NULL, password, &new, e);
	if (r != 0)
		return r;
	return db_run(rq->db, e, "UPDATE user SET hash = ? WHERE name = ?",
		      "ss", new.hash, rq->param[0]);
}

static int update_user_role(struct request *rq, const char *role,
			    json_t *groups, struct err *e)
{
	auto_free char *text = groups ? json_text(groups) : NULL;
	int r = role ? check_role_and_groups(role, groups, e)
		     : token_check_groups(groups, e);

	if (r < 0)
		return r;
	if (groups && !text)
		return err_oom(e, "change an account");
	return db_run(rq->db, e,
		      "UPDATE user SET role = coalesce(?, role),"
		      " groups = coalesce(?, groups), rev = rev + 1"
		      " WHERE name = ?",
		      "sss", role, text, rq->param[0]);
}

int account_api_update(struct request *rq, struct err *e)
{
	const char *password = NULL, *role = NULL;
	json_t *groups = NULL, *before = NULL, *after = NULL;
	const struct json_member table[] = {
		{ "password", JSON_STRING, true, &password },
		{ "role", JSON_STRING, true, &role },
		{ "groups", JSON_ARRAY, true, &groups },
		{ NULL },
	};
	int64_t rev = 0;
	int r = load_user_json(rq, rq->param[0], &before, &rev, e);

	if (r < 0)
		return r;
	request_set_audit(rq, rq->param[0], NULL, NULL, before, NULL);
	r = request_check_etag(rq, rev, e);
	if (r == 0)
		r = request_parse_body(rq, table, e);
	if (r == 0 && password)
		r = update_user_password(rq, password, e);
	if (r == 0)
		r = update_user_role(rq, role, groups, e);
	if (r == 0)
		r = db_run(rq->db, e, "DELETE FROM token WHERE user = ?", "s",
			   rq->param[0]);
	if (r == 0)
		r = load_user_json(rq, rq->param[0], &after, &rev, e);
	if (r != 0)
		return r;
	rq->context->turn->tokens_changed++;
	rq->audit.after = json_deep_copy(after);
	return request_answer_json(rq, 200, after, e);
}

int account_api_delete(struct request *rq, struct err *e)
{
	json_t *before = NULL;
	int64_t rev = 0;
	int r = load_user_json(rq, rq->param[0], &before, &rev, e);

	if (r < 0)
		return r;
	rq->answer.etag[0] = '\0';
	rq->context->turn->tokens_changed++;
	request_set_audit(rq, rq->param[0], NULL, NULL, before, NULL);
	rq->answer.status = 204;
	return db_run(rq->db, e, "DELETE FROM user WHERE name = ?", "s",
		      rq->param[0]);
}

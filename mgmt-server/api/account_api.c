/* SPDX-License-Identifier: Apache-2.0 */
/* Local accounts: PBKDF2 verifiers; a login gives a token. */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/password_crypto.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/server.h"
#include "mgmt-server/store/token.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD_MIN 12
#define PASSWORD_MAX 1024
#define TTL_DEFAULT 28800
#define TTL_MAX 86400
#define SALT_SIZE 16
#define LOGINS_A_SECOND 2 /* of the whole server: each costs work */

static int derive_password_verifier(const char *password, const uint8_t *salt,
				    size_t salt_len, uint64_t iterations,
				    uint8_t ret[HASH_SIZE], struct err *e)
{
	AUTO(password_crypto_wipe_key) struct password_crypto_key k = { 0 };
	int r = password_crypto_derive_key(password, salt, salt_len, iterations,
					   &k, e);

	if (r == 0)
		password_crypto_verifier(&k, ret);
	return r;
}

struct account {
	char name[65], role[16];
	char *groups;
	uint8_t salt[SALT_SIZE], verifier[HASH_SIZE];
	uint64_t iterations;
	bool found;
};

static void account_fini(struct account *a)
{
	free(a->groups);
}

static int load_account(struct server *s, const char *name, struct account *ret,
			struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e,
			 "SELECT role, groups, salt, iterations, verifier"
			 " FROM user WHERE name = ?",
			 "s", name);

	/* For an unknown name the same work is done as for a known one. */
	ret->iterations = PASSWORD_CRYPTO_ITERATIONS_MIN;
	if (r <= 0)
		return r;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->role, sizeof(ret->role), "%s", db_text(row, 0));
	ret->groups = strdup(db_text(row, 1));
	ret->iterations = (uint64_t)db_int(row, 3);
	db_copy_blob(row, 2, ret->salt, SALT_SIZE);
	ret->found =
		db_copy_blob(row, 4, ret->verifier, HASH_SIZE) && ret->groups;
	return 0;
}

static int check_login_rate(struct request *rq, struct err *e)
{
	struct server *s = rq->server;
	double rate = (double)s->conf.login_rate / 60;
	char key[80];

	snprintf(key, sizeof(key), "login %s", rq->from);
	if (ratelimit_allow(&s->limit, key, rate, rate * 60, clock_mono_ns()) &&
	    ratelimit_allow(&s->limit, "login", LOGINS_A_SECOND,
			    4 * LOGINS_A_SECOND, clock_mono_ns()))
		return 0;
	s->metrics.limited++;
	return err_set(e, PROBLEM_LIMITED, "too many log-ins: wait a minute");
}

/*
 * The derivation takes a good part of a second on purpose. A child does it, so
 * that the loop goes on: it gets the password, and gives back the verifier.
 */
static int start_key_derivation(struct request *rq, const char *password,
				const uint8_t salt[SALT_SIZE],
				uint64_t iterations, struct err *e)
{
	auto_close int in = -1;
	uint8_t have[HASH_SIZE];
	struct err ignored;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, EIO, "log in");
	rq->job = fds[0];
	in = fds[1];
	pid = fork();
	if (pid < 0)
		return err_set(e, PROBLEM_OVERLOADED, "log in: try again");
	if (pid > 0)
		return 1;
	/* Nothing of the server's may be held by the child. */
	if (in > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned int)in - 1, 0);
	close_range((unsigned int)in + 1, ~0U, 0);
	if (derive_password_verifier(password, salt, SALT_SIZE, iterations,
				     have, &ignored) < 0 ||
	    write(in, have, sizeof(have)) != sizeof(have))
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

/* What the child derived; 1: it is still at it. */
static int read_derived_verifier(const struct request *rq,
				 uint8_t ret[HASH_SIZE], struct err *e)
{
	ssize_t n = read(rq->job, ret, HASH_SIZE);

	if (n < 0 && errno == EAGAIN)
		return 1;
	return n == HASH_SIZE ? 0 : err_set(e, EIO, "the derivation failed");
}

/* 0: the password is the account's; 1: the child is still at it. */
static int verify_login_password(const struct request *rq,
				 const struct account *a, struct err *e)
{
	uint8_t have[HASH_SIZE];
	int r = read_derived_verifier(rq, have, e);

	if (r != 0)
		return r;
	if (hash_compare(have, a->verifier, sizeof(have)) != 0 || !a->found)
		return err_set(e, PROBLEM_UNAUTHORIZED,
			       "user or password is wrong");
	return 0;
}

static int issue_login_token(struct request *rq, const struct account *a,
			     int64_t ttl, struct err *e)
{
	auto_json json_t *groups = json_loads(a->groups, 0, NULL);
	int64_t expires = clock_wall() + ttl;
	char token[65], id[17];
	int r = db_run(rq->server->db, e,
		       "DELETE FROM token WHERE expires <= ?", "i",
		       clock_wall());

	if (r == 0)
		r = token_create(rq->server->db, "login", a->name, a->role,
				 groups, expires, token, id, e);
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
	int r = rq->job < 0 ? check_login_rate(rq, e) : 0;

	if (r == 0)
		r = request_parse_body(rq, table, e);
	if (r < 0)
		return r;
	if (!encoding_is_valid_id(user) || strlen(password) > PASSWORD_MAX ||
	    ttl < 1 || ttl > TTL_MAX)
		return err_set(e, EINVAL, "user, password or ttl is not valid");
	snprintf(rq->caller.name, sizeof(rq->caller.name), "%s", user);
	request_set_audit(rq, user, NULL, NULL, NULL, NULL);
	r = load_account(rq->server, user, &a, e);
	if (r == 0)
		r = rq->job < 0 ? start_key_derivation(rq, password, a.salt,
						       a.iterations, e)
				: verify_login_password(rq, &a, e);
	return r == 0 ? issue_login_token(rq, &a, ttl, e) : r;
}

/* ---- administration */
/* The verifier of a new password under a new salt; 1: a child is at it. */
struct new_verifier {
	uint8_t salt[SALT_SIZE], verifier[HASH_SIZE];
};

static int derive_new_verifier(struct request *rq, const char *password,
			       struct new_verifier **ret, struct err *e)
{
	struct new_verifier *f = rq->work;

	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f)
			return err_oom(e, "make an account");
		rq->work = f;
		rq->work_free = free;
		hash_random(f->salt, sizeof(f->salt));
		return start_key_derivation(rq, password, f->salt,
					    PASSWORD_CRYPTO_ITERATIONS_MIN, e);
	}
	*ret = f;
	return read_derived_verifier(rq, f->verifier, e);
}

static int build_user_json(struct request *rq, struct db_row *row, json_t **ret,
			   struct err *e)
{
	*ret = json_pack("{s:s, s:s, s:o, s:o}", "name", db_text(row, 0),
			 "role", db_text(row, 1), "groups",
			 json_loads(db_text(row, 2), 0, NULL), "created",
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
	struct db *db = rq->server->db;
	struct db_row *row = NULL;
	int r = db_first(db, &row, e, COLUMNS " WHERE name = ?", "s", name);

	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, PROBLEM_NOT_FOUND,
				       "there is no user %.64s", name);
	r = build_user_json(rq, row, ret, e);
	*ret_rev = db_int(row, 4);
	db_done(&row);
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
	struct new_verifier *f = NULL;
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
		r = derive_new_verifier(rq, password, &f, e);
	if (r != 0)
		return r;
	text = groups ? json_text(groups) : strdup("[]");
	if (!text)
		r = err_oom(e, "make an account");
	if (r == 0)
		r = db_run(rq->server->db, e,
			   "INSERT INTO user (name, role, groups, salt,"
			   " iterations, verifier, created)"
			   " VALUES (?, ?, ?, ?, ?, ?, ?)",
			   "sssbibi", name, role, text, f->salt,
			   sizeof(f->salt),
			   (int64_t)PASSWORD_CRYPTO_ITERATIONS_MIN, f->verifier,
			   sizeof(f->verifier), clock_wall());
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
	struct new_verifier *f = NULL;
	int r = check_password_length(password, e);

	if (r == 0)
		r = derive_new_verifier(rq, password, &f, e);
	if (r != 0)
		return r;
	return db_run(rq->server->db, e,
		      "UPDATE user SET salt = ?, verifier = ?, iterations = ?"
		      " WHERE name = ?",
		      "bbis", f->salt, sizeof(f->salt), f->verifier,
		      sizeof(f->verifier),
		      (int64_t)PASSWORD_CRYPTO_ITERATIONS_MIN, rq->param[0]);
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
	return db_run(rq->server->db, e,
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
		r = db_run(rq->server->db, e,
			   "DELETE FROM token WHERE user = ?", "s",
			   rq->param[0]);
	if (r == 0)
		r = load_user_json(rq, rq->param[0], &after, &rev, e);
	if (r != 0)
		return r;
	rq->server->tokens_changed++;
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
	rq->server->tokens_changed++;
	request_set_audit(rq, rq->param[0], NULL, NULL, before, NULL);
	rq->answer.status = 204;
	return db_run(rq->server->db, e, "DELETE FROM user WHERE name = ?", "s",
		      rq->param[0]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One REST request and its answer, without sockets: http_server.c fills the
 * first from libwebsockets and sends the second.
 */
#ifndef MGMT_SERVER_API_REQUEST_H
#define MGMT_SERVER_API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"
#include "mgmt-server/core/problem.h"
#include "mgmt-server/store/token.h"

struct connections;
struct db;
struct err;
struct password_pool;
struct pki;
struct ratelimit;
struct request;
struct root_in_force;
struct route;
struct settings;
struct snapshot_cache;
struct turn;

/* What handlers may use of the server; borrowed, the same for all requests. */
struct request_context {
	struct turn *turn;
	const char *org;
	const struct pki *pki;
	struct root_in_force *root;
	struct connections *connections;
	struct snapshot_cache *snapshots;
	struct password_pool *passwords;
	struct ratelimit *limit;
	const struct settings *conf;
	uint16_t device_port; /* as bound */
};

#define REQUEST_PARAMS 4
#define REQUEST_ARGS 16
#define REQUEST_PATH_MAX 512
/* What a handler returns instead of 0: it waits for a change; or it has used up
 * its part of the turn, and goes on in the next with what rq->work holds. */
#define REQUEST_HELD 1
#define REQUEST_AGAIN 2

enum method {
	METHOD_GET,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE
};
const char *request_method_name(enum method m);

struct answer {
	int status; /* 0: none yet */
	const char *type;
	char etag[24];
	unsigned int retry_after;
	bool immutable, close;
	char *body; /* owned */
	size_t len;
	int fd; /* -1, or a file to send from `offset` on, `len` bytes */
	uint64_t offset, file_size;
	bool partial;
	/* Instead of a body: the next piece, or *ret NULL at the end. */
	int (*more)(struct request *rq, char **ret, struct err *e);
	uint64_t more_from, more_to;
	unsigned int more_format;
};

struct request {
	const struct request_context *context;
	struct db *db; /* the turn's */
	const struct route *route;
	enum method method;
	bool head; /* HEAD: as GET, without the body */
	bool device_port;
	char path[REQUEST_PATH_MAX];
	const char *param[REQUEST_PARAMS]; /* of the path, in its order */
	char params[REQUEST_PATH_MAX];
	unsigned int n_args;
	char *arg[REQUEST_ARGS]; /* "name=value", owned */
	char if_match[24], idempotency_key[65], range[64];
	char from[64];	 /* the peer's address */
	char device[65]; /* device port: whose certificate it is */
	bool is_expired; /* that certificate: renewal only */
	struct token caller;
	bool is_refused; /* a token was sent that is none */
	char *body;	 /* owned, NUL behind it */
	size_t len;
	json_t *json;	    /* owned; of the body */
	int64_t wait_until; /* of a held request: wall time */
	uint64_t wait_seen;
	int job;	 /* -1, or what a held request waits to read from */
	bool is_working; /* it said REQUEST_AGAIN */
	void *work;	 /* owned */
	void (*work_free)(void *work);
	uint64_t slice_end; /* monotonic ns */
	struct answer answer;
	/* For the audit entry that a successful write leaves. */
	struct {
		char object[80], device[65], group[65];
		json_t *before, *after; /* owned */
	} audit;
};

void request_init(struct request *rq, const struct request_context *c);
void request_fini(struct request *rq);

/* Has the handler used up its part of this turn? */
bool request_is_slice_over(const struct request *rq);

/* A query argument's value, or NULL. */
const char *request_get_argument(const struct request *rq, const char *name);
/* A number within min..max; absent: *ret stays. */
int request_get_number(const struct request *rq, const char *name, uint64_t min,
		       uint64_t max, uint64_t *ret, struct err *e);
/* An RFC 3339 time; absent: *ret stays. */
int request_get_time(const struct request *rq, const char *name, int64_t *ret,
		     struct err *e);
/* The body as a closed JSON object. */
int request_parse_body(struct request *rq, const struct json_member *table,
		       struct err *e);

/* Answers; `j` and `text` are consumed (NULL: out of memory). */
int request_answer_json(struct request *rq, int status, json_t *j,
			struct err *e);
int request_answer_text(struct request *rq, int status, const char *type,
			char *text, struct err *e);
/* {"items":j,"next":cursor or null}; consumes j. */
int request_answer_list(struct request *rq, json_t *items, const char *next,
			struct err *e);
/* The problem that e and r (negative errno) are. Replaces any answer. */
void request_answer_problem(struct request *rq, int r, const struct err *e);
const char *request_problem_code(int r, const struct err *e);

/* ETag of a row's revision; tests If-Match: -PROBLEM_CHANGED. */
void request_set_etag(struct request *rq, int64_t rev);
int request_check_etag(const struct request *rq, int64_t rev, struct err *e);

/* What the audit will say; NULL leaves a part out. before, after consumed. */
void request_set_audit(struct request *rq, const char *object,
		       const char *device, const char *group, json_t *before,
		       json_t *after);

/* May the caller see that group? */
bool request_can_see_group(const struct request *rq, const char *group);

/* JSON null for NULL. */
json_t *request_optional_string(const char *s);
json_t *request_optional_time(int64_t t);
/* Consumes value. 0 or -ENOMEM. */
int request_set_member(json_t *j, const char *name, json_t *value);

#endif

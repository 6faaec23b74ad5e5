/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who calls: tokens, roles and the groups they are scoped to. A token is 64 hex
 * digits; the database knows its SHA-256 only.
 */
#ifndef MGMT_SERVER_STORE_TOKEN_H
#define MGMT_SERVER_STORE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"

struct db;
struct err;

/* What a role gives; a route demands one of them. */
enum right {
	RIGHT_PUBLIC = 0,
	RIGHT_READ = 1,
	RIGHT_AUDIT = 2,
	RIGHT_OPERATE = 4,
	RIGHT_POLICY = 8,
	RIGHT_IMAGE = 16,
	RIGHT_ADMIN = 32,
	RIGHT_SUBMIT = RIGHT_OPERATE | RIGHT_POLICY | RIGHT_IMAGE, /* any */
};

/* 0: there is no such role. */
unsigned int token_get_role_rights(const char *role);
/* "read", ..., "submit" */
const char *token_get_right_name(enum right r);
/* The names of all in the set. */
json_t *token_list_rights(unsigned int rights);

struct token {
	char id[17];   /* of the token; "": nobody */
	char name[65]; /* for the audit: the user's or the token's */
	char user[65];
	char role[16];
	unsigned int rights;
	json_t *groups; /* owned; empty: all */
	int64_t expires;
};

void token_fini(struct token *b);
bool token_can_see_group(const struct token *b, const char *group);

/* By the token's text. -ENOKEY. */
int token_authenticate(struct db *db, const char *token, struct token *ret,
		       struct err *e);

/* Does the token of that id still hold? -ENOKEY. */
int token_check_active(struct db *db, const char *id, struct err *e);

/* Makes a token; ret_token has 65 bytes. user may be NULL. */
int token_create(struct db *db, const char *name, const char *user,
		 const char *role, json_t *groups, int64_t expires,
		 char *ret_token, char ret_id[17], struct err *e);

/* Groups of a request's body: ids, and none that the caller does not see. */
int token_check_groups(json_t *groups, struct err *e);

#endif

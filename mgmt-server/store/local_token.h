/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token that is made on the server's own machine. The audit's tree is in the
 * server's memory, so that only the server writes to it: who makes the token
 * leaves a note in the same transaction, which the server turns into an entry.
 */
#ifndef MGMT_SERVER_STORE_LOCAL_TOKEN_H
#define MGMT_SERVER_STORE_LOCAL_TOKEN_H

struct db;
struct err;

/* A token of role admin and 30 days; ret has 65 bytes. */
int local_token_create(struct db *db, char *ret, struct err *e);
/* One of which there is a note: 1 found, 0 none. */
int local_token_find_pending(struct db *db, char ret_id[17], struct err *e);
/* Its note has become an entry. */
int local_token_remove_pending(struct db *db, const char *id, struct err *e);

#endif

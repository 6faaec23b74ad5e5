/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes that hash passwords, so that the server's loop goes on
 * meanwhile. Each takes PASSWORD_HASH_MEMORY (64 MiB). No more than
 * PASSWORD_POOL_MAX run at a time, so that log-ins take 256 MiB at most; a
 * caller that gets none asks again when a child has ended (SIGCHLD).
 */
#ifndef MGMT_SERVER_CORE_PASSWORD_POOL_H
#define MGMT_SERVER_CORE_PASSWORD_POOL_H

#include <stdbool.h>

#include "mgmt-server/store/password_hash.h"

#define PASSWORD_POOL_MAX 4

struct err;

struct password_pool {
	unsigned int running; /* children not reaped yet */
};

struct password_result {
	bool is_right;
	char hash[PASSWORD_HASH_SIZE]; /* a new one, or "" */
};

/*
 * Starts a child. With a hash, it verifies the password, and makes a new hash
 * of it if it is right and the hash is not current; with NULL it makes one.
 * *ret_fd is the caller's to close, and made for password_pool_read(). 0, or 1:
 * none is free; -EAGAIN: no process can be started.
 */
int password_pool_start(struct password_pool *p, const char *hash,
			const char *password, int *ret_fd, struct err *e);
/* 0; 1: the child is still at it; -EIO: it failed. */
int password_pool_read(int fd, struct password_result *ret, struct err *e);
/* Takes note of children that ended: all of this process are the pool's. */
void password_pool_reap(struct password_pool *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room on the disk that is kept for a start on a full one: the database cannot
 * be opened without some (SQLite's -shm). A start takes a part of it only if
 * there is no other, and it is filled up again when there is.
 */
#ifndef MGMT_SERVER_STORE_DISK_RESERVE_H
#define MGMT_SERVER_STORE_DISK_RESERVE_H

#define DISK_RESERVE_FILE "reserve"
#define DISK_RESERVE_MAX (2 * 1024 * 1024)

struct err;

/* Gives a part free: 1; 0: nothing is left. */
int disk_reserve_release(const char *dir, struct err *e);
/* Fills it up if there is room; that there is none is not an error. */
int disk_reserve_fill(const char *dir, struct err *e);

#endif

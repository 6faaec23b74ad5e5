/* SPDX-License-Identifier: Apache-2.0 */
/* A new cells-mgmtd's inside in a folder of the test's own. */
#ifndef TESTS_UNIT_UNITSERVER_H
#define TESTS_UNIT_UNITSERVER_H

struct server;

/* The caller ends it with mgmtd_free(). */
struct server *unit_server(void);

/* Writes and ends the turn, and nothing of it is left. */
void unit_lose_turn(struct server *s);

#endif

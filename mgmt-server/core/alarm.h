/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms. Those of what happens once and comes from nobody who would send it
 * again (a refused certificate, a second connection) wait in memory while the
 * database takes no writes, and until the turn that wrote them is committed.
 */
#ifndef MGMT_SERVER_CORE_ALARM_H
#define MGMT_SERVER_CORE_ALARM_H

#include "lib/json.h"

#define ALARM_PENDING_MAX 256

struct alarms;
struct db;
struct err;
struct ratelimit;
struct turn;

/* `limit` bounds what goes to the log. Both are borrowed. */
int alarm_new(struct turn *t, struct ratelimit *limit, struct alarms **ret,
	      struct err *e);
void alarm_free(struct alarms *a);

/* Something that must not happen; kept, audited, reported; once for each text.
 */
int alarm_record(struct turn *t, const char *device, const char *text,
		 struct err *e);
/* The texts of a device's alarms, oldest first; the caller owns *ret. */
int alarm_list(struct db *db, const char *device, json_t **ret, struct err *e);

/* Of no device that is known: nothing. Beyond ALARM_PENDING_MAX it is in
 * the log only. */
void alarm_raise(struct alarms *a, const char *device, const char *text);
/* Writes what waits; once a second. */
void alarm_write_pending(struct alarms *a);
/* What this turn wrote is undone. */
void alarm_requeue_turn(struct alarms *a);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/alarm.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/doc.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/ratelimit.h"
#include "mgmt-server/core/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_RATE 1 /* a second: alarms for which there is no room */
#define LOG_BURST 10

struct alarm {
	char device[DOC_ID_SIZE], text[320];
	uint64_t turn; /* that wrote it; 0: it waits */
};

struct alarms {
	struct turn *turn;
	struct ratelimit *limit; /* of lines in the log */
	struct alarm *item[ALARM_PENDING_MAX];
	unsigned int n;
};

int alarm_new(struct turn *t, struct ratelimit *limit, struct alarms **ret,
	      struct err *e)
{
	struct alarms *a = calloc(1, sizeof(*a));

	if (!a)
		return err_oom(e, "start");
	a->turn = t;
	a->limit = limit;
	*ret = a;
	return 0;
}

void alarm_free(struct alarms *a)
{
	if (!a)
		return;
	for (unsigned int i = 0; i < a->n; i++)
		free(a->item[i]);
	free(a);
}

int alarm_record(struct turn *t, const char *device, const char *text,
		 struct err *e)
{
	auto_json json_t *after = json_pack("{s:s}", "text", text);
	struct audit_log_entry en = { .who = device,
				      .from = "device",
				      .action = "alarm",
				      .device = device,
				      .after = after };
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(t->db, &row, e,
			 "SELECT 1 FROM alarm WHERE device = ? AND text = ?",
			 "ss", device, text);

	db_done(&row);
	if (r != 0) /* said before: once is enough */
		return r < 0 ? r : 0;
	t->metrics->alarms++;
	r = db_run(t->db, e,
		   "INSERT INTO alarm (device, time, text) VALUES (?, ?, ?)",
		   "sis", device, clock_wall(), text);
	if (r == 0)
		r = turn_append_audit(t, &en, NULL, e);
	turn_queue_event(
		t, "alarm", NULL,
		json_pack("{s:s, s:s}", "device", device, "text", text));
	return r;
}

/* Each text is made readable whatever an older version wrote. */
int alarm_list(struct db *db, const char *device, json_t **ret, struct err *e)
{
	auto_json json_t *list = json_array();
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(db, &row, e,
			 "SELECT text FROM alarm WHERE device = ?"
			 " ORDER BY number",
			 "s", device);

	while (db_next(row, &r, e)) {
		struct err text;

		err_set(&text, EBADMSG, "%s", db_text(row, 0));
		if (json_array_append_new(list, json_string(text.text)) < 0)
			return err_oom(e, "list alarms");
	}
	if (r < 0)
		return r;
	*ret = steal(list);
	return 0;
}

/* ---- those that wait */
/* 1: there is such a device. */
static int find_device_row(struct db *db, const char *device, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e, "SELECT 1 FROM device WHERE id = ?", "s",
			 device);

	return r;
}

/* On failure it goes on waiting. */
static int write_pending_alarm(struct turn *t, struct alarm *al, struct err *e)
{
	struct turn_savepoint mark;
	int r = find_device_row(t->db, al->device, e);

	if (r == 0) /* only now could it be asked */
		al->turn = t->number;
	if (r <= 0)
		return r;
	r = turn_begin_savepoint(t, &mark, e);
	if (r < 0)
		return r;
	r = alarm_record(t, al->device, al->text, e);
	if (r < 0) {
		turn_rollback_savepoint(t, &mark);
		return r;
	}
	r = turn_release_savepoint(t, e);
	if (r == 0)
		al->turn = t->number;
	return r;
}

static bool is_alarm_pending(const struct alarms *a, const char *device,
			     const char *text)
{
	for (unsigned int i = 0; i < a->n; i++)
		if (strcmp(a->item[i]->device, device) == 0 &&
		    strcmp(a->item[i]->text, text) == 0)
			return true;
	return false;
}

static struct alarm *add_pending_alarm(struct alarms *a, const char *device,
				       const char *text)
{
	struct alarm *al = NULL;

	if (a->n < ALARM_PENDING_MAX)
		al = calloc(1, sizeof(*al));
	if (!al)
		return NULL;
	snprintf(al->device, sizeof(al->device), "%s", device);
	snprintf(al->text, sizeof(al->text), "%s", text);
	a->item[a->n++] = al;
	return al;
}

void alarm_raise(struct alarms *a, const char *device, const char *text)
{
	struct alarm *al;
	struct err e;
	int r;

	if (strlen(device) >= DOC_ID_SIZE ||
	    find_device_row(a->turn->db, device, &e) == 0 ||
	    is_alarm_pending(a, device, text))
		return;
	al = add_pending_alarm(a, device, text);
	if (!al) {
		if (ratelimit_allow(a->limit, "alarms", LOG_RATE, LOG_BURST,
				    clock_mono_ns()))
			log_error("alarm of %s: too many wait to be stored: %s",
				  device, text);
		return;
	}
	r = write_pending_alarm(a->turn, al, &e);
	if (r < 0)
		log_warning("alarm of %s waits to be stored: %s: %s", device,
			    text, e.text);
}

void alarm_write_pending(struct alarms *a)
{
	struct turn *t = a->turn;
	unsigned int left = 0;
	struct err e;
	int r = 0;

	for (unsigned int i = 0; i < a->n; i++) {
		struct alarm *al = a->item[i];

		if (al->turn && al->turn < t->number) {
			free(al);
			continue;
		}
		if (!al->turn && r == 0)
			r = write_pending_alarm(t, al, &e);
		a->item[left++] = al;
	}
	a->n = left;
}

void alarm_requeue_turn(struct alarms *a)
{

	for (unsigned int i = 0; i < a->n; i++)
		if (a->item[i]->turn == a->turn->number)
			a->item[i]->turn = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/alarm.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/fleet/device.h"

#include <stdlib.h>
#include <string.h>

#define LOG_RATE 1 /* a second: alarms for which there is no room */
#define LOG_BURST 10

struct alarm {
	char device[DOC_ID_SIZE], text[320];
	uint64_t turn; /* that wrote it; 0: it waits */
};

struct alarms {
	struct alarm *item[ALARM_PENDING_MAX];
	unsigned int n;
};

int alarm_new(struct alarms **ret, struct err *e)
{
	struct alarms *a = calloc(1, sizeof(*a));

	if (!a)
		return err_oom(e, "start");
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

/* 1: there is such a device. */
static int find_device_row(struct server *s, const char *device, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = db_first(s->db, &st, e, "SELECT 1 FROM device WHERE id = ?",
			 "s", device);

	db_done(&st);
	return r;
}

/* On failure it goes on waiting. */
static int write_pending_alarm(struct server *s, struct alarm *al,
			       struct err *e)
{
	struct server_savepoint mark;
	int r = find_device_row(s, al->device, e);

	if (r == 0) /* only now could it be asked */
		al->turn = s->turn;
	if (r <= 0)
		return r;
	r = server_begin_savepoint(s, &mark, e);
	if (r < 0)
		return r;
	r = device_record_alarm(s, al->device, al->text, e);
	if (r < 0) {
		server_rollback_savepoint(s, &mark);
		return r;
	}
	r = server_release_savepoint(s, e);
	if (r == 0)
		al->turn = s->turn;
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

static struct alarm *add_pending_alarm(struct server *s, const char *device,
				       const char *text)
{
	struct alarms *a = s->alarms;
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

void alarm_raise(struct server *s, const char *device, const char *text)
{
	struct alarm *al;
	struct err e;
	int r;

	if (strlen(device) >= DOC_ID_SIZE ||
	    find_device_row(s, device, &e) == 0 ||
	    is_alarm_pending(s->alarms, device, text))
		return;
	al = add_pending_alarm(s, device, text);
	if (!al) {
		if (ratelimit_allow(&s->limit, "alarms", LOG_RATE, LOG_BURST,
				    clock_mono_ns()))
			log_error("alarm of %s: too many wait to be stored: %s",
				  device, text);
		return;
	}
	r = write_pending_alarm(s, al, &e);
	if (r < 0)
		log_warning("alarm of %s waits to be stored: %s: %s", device,
			    text, e.text);
}

void alarm_write_pending(struct server *s)
{
	struct alarms *a = s->alarms;
	unsigned int left = 0;
	struct err e;
	int r = 0;

	for (unsigned int i = 0; i < a->n; i++) {
		struct alarm *al = a->item[i];

		if (al->turn && al->turn < s->turn) {
			free(al);
			continue;
		}
		if (!al->turn && r == 0)
			r = write_pending_alarm(s, al, &e);
		a->item[left++] = al;
	}
	a->n = left;
}

void alarm_requeue_turn(struct server *s)
{
	struct alarms *a = s->alarms;

	for (unsigned int i = 0; i < a->n; i++)
		if (a->item[i]->turn == s->turn)
			a->item[i]->turn = 0;
}

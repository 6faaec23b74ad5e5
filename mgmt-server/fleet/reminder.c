/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/reminder.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/store/pki.h"
#include "mgmt-server/store/root.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY (INT64_C(24) * 3600)
#define CHECK_SECONDS 600
#define KEY_SIZE 192

struct reminder {
	struct turn *turn;
	const struct pki *pki;
	const struct root_in_force *root;
	const char *org;
	json_t *sent; /* {"KIND ID END": days of the last reminder} */
	int64_t checked;
};

struct expiring_item {
	const char *kind, *id, *group;
	int64_t begin, end;
};

/* Days before the end; 0: the end itself. */
static const int64_t steps[] = { 0, 1, 3, 14, 30 };

static const struct {
	const char *kind, *remedy;
} remedies[] = {
	{ "group", "sign its next version, or its devices count as offline" },
	{ "root", "sign the next root, or devices take no snapshot" },
	{ "token", "make another one" },
	{ "ca", "a new root must name the CA that follows it" },
	{ "certificate", "its renewal has failed so far" },
	{ NULL, "sign its next version, or no device is given it again" },
};

int reminder_new(struct turn *t, const struct pki *pki,
		 const struct root_in_force *root, const char *org,
		 struct reminder **ret, struct err *e)
{
	struct reminder *m = calloc(1, sizeof(*m));

	if (m)
		m->sent = json_object();
	if (!m || !m->sent) {
		free(m);
		return err_oom(e, "start");
	}
	m->turn = t;
	m->pki = pki;
	m->root = root;
	m->org = org;
	*ret = m;
	return 0;
}

void reminder_free(struct reminder *m)
{
	if (!m)
		return;
	json_decref(m->sent);
	free(m);
}

/* -1: its end is further away than the first step. */
static int64_t find_reminder_step(const struct expiring_item *it, int64_t now)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (it->end - now <= steps[i] * DAY &&
		    steps[i] * DAY < it->end - it->begin)
			return steps[i];
	return -1;
}

static const char *find_expiry_remedy(const char *kind)
{
	size_t i = 0;

	while (remedies[i].kind && strcmp(remedies[i].kind, kind) != 0)
		i++;
	return remedies[i].remedy;
}

static void report_expiry(struct reminder *m, const struct expiring_item *it,
			  int64_t step)
{
	char when[ENCODING_TIME_SIZE];

	encoding_format_time(it->end, when);
	if (step == 0)
		log_warning("%s '%s' ended at %s: %s", it->kind, it->id, when,
			    find_expiry_remedy(it->kind));
	else
		log_warning("%s '%s' ends at %s, in less than %" PRId64
			    " day%s: %s",
			    it->kind, it->id, when, step, step == 1 ? "" : "s",
			    find_expiry_remedy(it->kind));
	turn_queue_event(m->turn, "lapse", it->group,
			 json_pack("{s:s, s:s, s:s, s:I}", "kind", it->kind,
				   "id", it->id, "expires", when, "days",
				   (json_int_t)step));
}

/* Adds what is near its end to `seen`, and reports it if that is new. */
static int check_item_expiry(struct reminder *m, const struct expiring_item *it,
			     int64_t now, json_t *seen, struct err *e)
{
	int64_t step = find_reminder_step(it, now);
	char key[KEY_SIZE];
	json_t *before;

	if (step < 0)
		return 0;
	snprintf(key, sizeof(key), "%s %s %" PRId64, it->kind, it->id, it->end);
	before = json_object_get(m->sent, key);
	/* It may have ended long ago, and nobody misses it. */
	if (step == 0 && !before && strcmp(it->kind, "group") != 0 &&
	    strcmp(it->kind, "root") != 0)
		return 0;
	if (!before || json_integer_value(before) != step)
		report_expiry(m, it, step);
	if (step == 0) {
		m->turn->metrics->lapsed++;
	} else {
		m->turn->metrics->lapsing++;
		if (!m->turn->metrics->next_lapse ||
		    m->turn->metrics->next_lapse > (uint64_t)it->end)
			m->turn->metrics->next_lapse = (uint64_t)it->end;
	}
	return json_object_set_new(seen, key, json_integer(step)) < 0
		       ? err_oom(e, "look for what ends")
		       : 0;
}

/* Log-ins last hours and have a user; the newest version of a document is what
 * counts. A document is in use when a group's set has it. */
#define ENDING                                                                 \
	"SELECT type, id, issued, expires, max(version) FROM document"         \
	" WHERE type = 'group' AND state IN ('valid', 'active') GROUP BY id"   \
	" HAVING expires <= ?1 UNION ALL"                                      \
	" SELECT type, id, issued, expires, version FROM document"             \
	" WHERE type NOT IN ('group', 'root') AND state IN ('valid', "         \
	"'active')"                                                            \
	" AND expires <= ?1 UNION ALL"                                         \
	" SELECT 'token', name, created, expires, 0 FROM token"                \
	" WHERE user IS NULL AND expires <= ?1"

static int check_stored_items(struct reminder *m, int64_t now, json_t *seen,
			      struct err *e)
{
	int64_t until = now + steps[ARRAY_SIZE(steps) - 1] * DAY;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(m->turn->db, &row, e, ENDING, "i", until);

	while (db_next(row, &r, e)) {
		struct expiring_item it = { .kind = db_text(row, 0),
					    .id = db_text(row, 1),
					    .begin = db_int(row, 2),
					    .end = db_int(row, 3) };

		if (strcmp(it.kind, "group") == 0)
			it.group = it.id;
		r = check_item_expiry(m, &it, now, seen, e);
	}
	return r;
}

static int check_root_expiry(struct reminder *m, int64_t now, json_t *seen,
			     struct err *e)
{
	const struct doc_root *root = root_get(m->root);
	struct expiring_item it = { .kind = "root" };

	if (!root)
		return 0;
	it.id = root->head.id;
	it.begin = root->head.issued;
	it.end = root->head.expires;
	return check_item_expiry(m, &it, now, seen, e);
}

static int check_certificate_expiry(struct reminder *m, int64_t now,
				    json_t *seen, struct err *e)
{
	struct expiring_item ca = { .kind = "ca", .id = m->org };
	struct expiring_item own = { .kind = "certificate", .id = "server" };
	int r = pki_get_ca_validity(m->pki, &ca.begin, &ca.end, e);

	if (r == 0)
		r = check_item_expiry(m, &ca, now, seen, e);
	if (r == 0)
		r = pki_get_server_validity(m->pki, &own.begin, &own.end, e);
	return r < 0 ? r : check_item_expiry(m, &own, now, seen, e);
}

int reminder_check_expiry(struct reminder *m, struct err *e)
{
	auto_json json_t *seen = NULL;
	int64_t now = clock_wall();
	int r;

	if (now >= m->checked && now - m->checked < CHECK_SECONDS)
		return 0;
	seen = json_object();
	if (!seen)
		return err_oom(e, "look for what ends");
	m->turn->metrics->lapsing = m->turn->metrics->lapsed =
		m->turn->metrics->next_lapse = 0;
	r = check_stored_items(m, now, seen, e);
	if (r == 0)
		r = check_root_expiry(m, now, seen, e);
	if (r == 0)
		r = check_certificate_expiry(m, now, seen, e);
	if (r < 0)
		return r;
	json_decref(m->sent);
	m->sent = steal(seen);
	m->checked = now;
	return 0;
}

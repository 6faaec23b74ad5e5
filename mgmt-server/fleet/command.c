/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/command.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/doc.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/core/alarm.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/device.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define GRACE 300 /* for a receipt that is on its way at the end */
#define AT_ONCE 256

/* Notifies those who wait and listen. */
static void notify_command_change(struct turn *t, const char *device,
				  const char *id, const char *state)
{
	char group[DOC_ID_SIZE] = "";
	AUTO(db_done) struct db_row *row = NULL;
	struct err e;

	t->commands_changed++;
	if (db_first(t->db, &row, &e, "SELECT grp FROM device WHERE id = ?",
		     "s", device) > 0)
		snprintf(group, sizeof(group), "%s", db_text(row, 0));
	db_done(&row);
	turn_queue_event(t, "action", group,
			 json_pack("{s:s, s:s, s:s}", "device", device, "id",
				   id, "state", state));
}

/* ---- time */
struct due_command {
	char device[DOC_ID_SIZE], id[DOC_ID_SIZE], sha256[ENCODING_DIGEST_SIZE];
	char state[16];
	int64_t document_expires;
	int cancel;
};

static int expire_command(struct turn *t, const struct connections *p,
			  const struct due_command *d, int64_t now,
			  struct err *e)
{
	bool with_device = strcmp(d->state, "sent") == 0 ||
			   strcmp(d->state, "received") == 0;
	struct device_channel *c = connections_find(p, d->device);
	int r;

	/* The device may still do it: it is asked not to, and has the word. */
	if (with_device && now < d->document_expires + GRACE) {
		if (c && !d->cancel)
			device_channel_send_cancel(c, d->sha256, e);
		return db_run(t->db, e,
			      "UPDATE action SET cancel = 1, expires = ?"
			      " WHERE device = ? AND id = ?",
			      "iss", d->document_expires + GRACE, d->device,
			      d->id);
	}
	r = db_run(t->db, e,
		   "UPDATE action SET state = 'expired', updated = ?"
		   " WHERE device = ? AND id = ?",
		   "iss", now, d->device, d->id);
	if (r == 0)
		notify_command_change(t, d->device, d->id, "expired");
	return r;
}

int command_expire_due(struct turn *t, const struct connections *p,
		       struct err *e)
{
	AUTO(auto_freep) struct due_command *due = NULL;
	int64_t now = clock_wall();
	unsigned int n = 0;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(t->db, &row, e,
			 "SELECT device, id, sha256, state, document_expires,"
			 " cancel FROM action WHERE expires <= ? AND state IN"
			 " ('proposed', 'pending', 'sent', 'received')",
			 "i", now);

	while (n < AT_ONCE && db_next(row, &r, e)) {
		if (!due)
			due = calloc(AT_ONCE, sizeof(*due));
		if (!due)
			return err_oom(e, "look for actions that are over");
		snprintf(due[n].device, DOC_ID_SIZE, "%s", db_text(row, 0));
		snprintf(due[n].id, DOC_ID_SIZE, "%s", db_text(row, 1));
		snprintf(due[n].sha256, ENCODING_DIGEST_SIZE, "%s",
			 db_text(row, 2));
		snprintf(due[n].state, sizeof(due[n].state), "%s",
			 db_text(row, 3));
		due[n].document_expires = db_int(row, 4);
		due[n++].cancel = db_bool(row, 5);
	}
	if (r < 0)
		return r;
	db_done(&row);
	if (n > 0)
		r = turn_begin_write(t, e);
	for (unsigned int i = 0; r >= 0 && i < n; i++)
		r = expire_command(t, p, &due[i], now, e);
	return r < 0 ? r : 0;
}

/* ---- the channel */
int command_send_unfinished(struct turn *t, struct device_channel *c,
			    struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(t->db, &row, e,
			 "SELECT envelope, sha256, cancel, state FROM action"
			 " WHERE device = ? AND epoch = ? AND state IN"
			 " ('pending', 'sent', 'received') ORDER BY number",
			 "ss", c->device, c->epoch);

	while (db_next(row, &r, e)) {
		if (db_bool(row, 2))
			r = device_channel_send_cancel(c, db_text(row, 1), e);
		else
			r = device_channel_send_command(c, db_text(row, 0),
							db_text(row, 1), e);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	r = db_run(t->db, e,
		   "UPDATE action SET state = 'sent', updated = ?"
		   " WHERE device = ? AND epoch = ? AND state = 'pending'",
		   "iss", clock_wall(), c->device, c->epoch);
	if (db_changed(t->db) > 0)
		t->commands_changed++;
	return r;
}

int command_record_agent_outcome(struct turn *t, const char *device,
				 const char *sha256, const char *outcome,
				 const char *reason, const char *text,
				 struct err *e)
{
	struct err said;
	AUTO(db_done) struct db_row *row = NULL;
	int64_t number;
	int r = db_first(t->db, &row, e,
			 "SELECT number, id FROM action WHERE device = ? AND"
			 " sha256 = ? AND state IN ('sent', 'received')",
			 "ss", device, sha256);
	char id[DOC_ID_SIZE];

	if (r <= 0)
		return r; /* a document, or over: nothing to do */
	number = db_int(row, 0);
	snprintf(id, sizeof(id), "%s", db_text(row, 1));
	db_done(&row);
	/* Nobody signed it: it is shown as the agent's word and decides
	 * nothing. */
	err_set(&said, EBADMSG, "the agent says: %.40s%s%.40s%s%.120s", outcome,
		reason && *reason ? ", " : "", reason ? reason : "",
		text && *text ? ": " : "", text ? text : "");
	notify_command_change(t, device, id, "received");
	return db_run(t->db, e,
		      "UPDATE action SET state = 'received', text = ?,"
		      " updated = ? WHERE number = ?",
		      "sii", said.text, clock_wall(), number);
}

/* ---- receipts */
/* What each action's success is called; the others are `applied`. */
static const struct {
	const char *action;
	enum receipt_type type;
} ends[] = {
	{ "start", RECEIPT_STARTED },	{ "stop", RECEIPT_STOPPED },
	{ "switch", RECEIPT_SWITCHED }, { "lock", RECEIPT_LOCKED },
	{ "unlock", RECEIPT_UNLOCKED }, { "wipe", RECEIPT_WIPED },
	{ "remove", RECEIPT_REMOVED },
};

/* "done", "refused", or NULL: the receipt does not end this action. */
static const char *get_final_state(const char *action, enum receipt_type type)
{
	enum receipt_type want = RECEIPT_APPLIED;

	if (type == RECEIPT_REFUSED)
		return "refused";
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (strcmp(ends[i].action, action) == 0)
			want = ends[i].type;
	return type == want ? "done" : NULL;
}

static int store_final_state(struct turn *t, const struct receipt *rc,
			     int64_t action, const char *state, int64_t number,
			     struct err *e)
{
	const char *text =
		json_string_value(json_object_get(rc->details, "text"));

	return db_run(t->db, e,
		      "UPDATE action SET state = ?, reason = ?, text = ?,"
		      " receipt = ?, updated = ? WHERE number = ?",
		      "sssiii", state, rc->reason, text, number, clock_wall(),
		      action);
}

/* Of that VP, and by each name that it has of the action. A refusal may come
 * before the device knew which VP it was about. */
static bool is_receipt_for_command(const struct receipt *rc, const char *id,
				   const char *vp)
{
	const char *document =
		json_string_value(json_object_get(rc->document, "id"));
	const char *command =
		json_string_value(json_object_get(rc->details, "command"));

	if ((document && strcmp(document, id) != 0) ||
	    (command && strcmp(command, id) != 0))
		return false;
	if (rc->vp && vp)
		return strcmp(rc->vp, vp) == 0;
	return rc->type == RECEIPT_REFUSED ? !rc->vp : !rc->vp && !vp;
}

static int report_mismatched_receipt(struct turn *t, const struct receipt *rc,
				     const char *id, struct err *e)
{
	struct err alarm;

	err_set(&alarm, EBADMSG,
		"receipt %" PRId64 " answers %.64s, but not for its VP",
		rc->seq, id);
	return alarm_record(t, rc->device, alarm.text, e);
}

int command_apply_receipt(struct turn *t, struct connections *p,
			  const struct receipt *rc, int64_t number,
			  struct err *e)
{
	const char *sha256 =
		json_string_value(json_object_get(rc->document, "sha256"));
	const char *command =
		json_string_value(json_object_get(rc->details, "command"));
	char id[DOC_ID_SIZE], group[DOC_ID_SIZE];
	const char *state;
	AUTO(db_done) struct db_row *row = NULL;
	int64_t action;
	bool fits;
	int r;

	if (!sha256 && !command)
		return 0;
	r = db_first(t->db, &row, e,
		     "SELECT number, id, action, grp, vp FROM action"
		     " WHERE device = ?1 AND epoch = ?2 AND receipt IS NULL AND"
		     " (sha256 = ?3 OR (?3 IS NULL AND id = ?4))",
		     "ssss", rc->device, rc->epoch, sha256, command);
	if (r <= 0)
		return r;
	action = db_int(row, 0);
	snprintf(id, sizeof(id), "%s", db_text(row, 1));
	state = get_final_state(db_text(row, 2), rc->type);
	snprintf(group, sizeof(group), "%s", db_text(row, 3));
	fits = is_receipt_for_command(rc, id, db_text_or_null(row, 4));
	db_done(&row);
	if (!state)
		return 0;
	if (!fits)
		return report_mismatched_receipt(t, rc, id, e);
	r = store_final_state(t, rc, action, state, number, e);
	if (r == 0 && group[0] && strcmp(state, "done") == 0)
		r = device_set_group(t->db, p, rc->device, group, e);
	notify_command_change(t, rc->device, id, state);
	return r;
}

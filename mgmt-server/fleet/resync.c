/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/resync.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/core/alarm.h"
#include "mgmt-server/core/turn.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* No agent can use up the numbers of its device's snapshots at once. */
#define VERSION_JUMP_MAX 1000000

static const char *const streams[] = { "receipts", "audit" };

int resync_store_gap(struct turn *t, const struct receipt *rc,
		     const struct receipt_gap *g, int64_t from,
		     const struct envelope *env, struct err *e)
{
	const char *what = g->is_audit ? "audit records" : "receipts";
	auto_free char *text = NULL;
	char digest[ENCODING_DIGEST_SIZE];
	struct err alarm;
	int r = envelope_text(env, &text, e);

	if (r < 0)
		return r;
	encoding_format_digest(g->digest, digest);
	r = db_run(t->db, e,
		   "INSERT OR IGNORE INTO gap (device, epoch, stream, first,"
		   " last, digest, cause, received, envelope)"
		   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		   "sssiissis", rc->device, rc->epoch, streams[g->is_audit],
		   g->from, g->to, digest, g->cause, clock_wall(), text);
	if (r < 0)
		return r;
	if (from)
		err_set(&alarm, EBADMSG,
			"%s %" PRId64 " to %" PRId64 " are gone for good "
			"(%.40s): the device's signed statement covers "
			"them",
			what, from, g->to, g->cause);
	else
		err_set(&alarm, EBADMSG,
			"the device lost %s %" PRId64 " to %" PRId64
			" (%.40s), which are here",
			what, g->from, g->to, g->cause);
	return alarm_record(t, rc->device, alarm.text, e);
}

int resync_get_receipt_digest(struct turn *t, const char *device,
			      const char *epoch, int64_t seq, char *ret,
			      struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(t->db, &row, e,
			 "SELECT sha256 FROM receipt WHERE device = ?1 AND"
			 " epoch = ?2 AND seq = ?3 UNION ALL"
			 " SELECT digest FROM gap WHERE device = ?1 AND"
			 " epoch = ?2 AND stream = 'receipts' AND last = ?3",
			 "ssi", device, epoch, seq);

	if (r < 0)
		return r;
	snprintf(ret, ENCODING_DIGEST_SIZE, "%s", r > 0 ? db_text(row, 0) : "");
	return 0;
}

/* ---- hello */
static int64_t get_json_number(json_t *j, const char *object,
			       const char *member)
{
	json_t *n = json_object_get(j, object);

	if (member)
		n = json_object_get(n, member);
	return json_is_integer(n) ? json_integer_value(n) : -1;
}

/* The numbers in the alarms are ours alone: the agent's would be as many as it
 * likes. */
static int compare_stream_position(struct turn *t, const char *device,
				   bool is_audit, uint64_t here, json_t *holds,
				   json_t *status, struct err *e)
{
	const char *stream = streams[is_audit];
	int64_t acked =
		get_json_number(json_object_get(status, "acked"), stream, NULL);
	int64_t last = get_json_number(holds, stream, "last");
	struct err alarm;
	int r = 0;

	if (last >= 0 && (uint64_t)last < here) {
		err_set(&alarm, EBADMSG,
			"%s: the device holds fewer than the %" PRIu64
			" that are here: it was restored from an older copy",
			stream, here);
		r = alarm_record(t, device, alarm.text, e);
	}
	if (r == 0 && acked >= 0 && (uint64_t)acked > here) {
		err_set(&alarm, EBADMSG,
			"%s: the device was acknowledged more than the %" PRIu64
			" that are here: the server was restored from a "
			"backup, and asks for them again",
			stream, here);
		r = alarm_record(t, device, alarm.text, e);
	}
	return r;
}

static int raise_snapshot_version(struct turn *t, const char *device,
				  int64_t held, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	struct err alarm;
	int64_t ours;
	int r = db_first(t->db, &row, e,
			 "SELECT snapshot FROM device WHERE id = ?", "s",
			 device);

	if (r <= 0)
		return r;
	ours = db_int(row, 0);
	db_done(&row);
	if (held <= ours)
		return 0;
	if (held - ours > VERSION_JUMP_MAX) {
		err_set(&alarm, EBADMSG,
			"the device says it holds a snapshot far ahead of "
			"version %" PRId64 ": not believed",
			ours);
		return alarm_record(t, device, alarm.text, e);
	}
	err_set(&alarm, EBADMSG,
		"the device holds a snapshot above version %" PRId64
		": the server was restored from a backup, and goes on above it",
		ours);
	r = alarm_record(t, device, alarm.text, e);
	if (r == 0)
		r = db_run(t->db, e,
			   "UPDATE device SET snapshot = ? WHERE id = ?", "is",
			   held, device);
	/* The one that is here is too old to be sent again. */
	return r < 0 ? r
		     : db_run(t->db, e,
			      "UPDATE snapshot SET issued = 0 WHERE device = ?",
			      "s", device);
}

int resync_compare_positions(struct turn *t, const char *device,
			     uint64_t receipts, uint64_t records, json_t *holds,
			     json_t *status, struct err *e)
{
	int64_t held = get_json_number(holds, "snapshot", NULL);
	int r = compare_stream_position(t, device, false, receipts, holds,
					status, e);

	if (r == 0)
		r = compare_stream_position(t, device, true, records, holds,
					    status, e);
	return r == 0 && held > 0 ? raise_snapshot_version(t, device, held, e)
				  : r;
}

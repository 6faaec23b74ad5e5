/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/receipt_store.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/audit.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/core/alarm.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/command.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/fleet/resync.h"
#include "mgmt-server/store/json_column.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define RECEIPTS_MAX 100

/* The positions of a device's streams, and by which key they are signed. */
struct device_streams {
	const char *device, *epoch;
	struct key *key;
	int64_t receipts;
	struct audit_chain chain;
};

static void device_streams_fini(struct device_streams *t)
{
	key_free(t->key);
}

static int load_device_streams(const struct receipt_store *s,
			       const char *device, const char *epoch,
			       struct device_streams *ret, struct err *e)
{
	const void *spki, *head;
	size_t len, head_len;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(
		s->turn->db, &row, e,
		"SELECT receipt_spki, receipt_seq, audit_seq,"
		" audit_head FROM epoch WHERE device = ? AND epoch = ?",
		"ss", device, epoch);

	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, ENOENT, "no epoch %.40s of %s", epoch,
				       device);
	ret->device = device;
	ret->epoch = epoch;
	ret->receipts = db_int(row, 1);
	ret->chain.seq = (uint64_t)db_int(row, 2);
	head = db_blob(row, 3, &head_len);
	if (head && head_len == HASH_SIZE)
		memcpy(ret->chain.head, head, HASH_SIZE);
	spki = db_blob(row, 0, &len);
	r = key_from_spki(spki, len, &ret->key, e);
	return r;
}

void receipt_store_position_fini(struct receipt_store_position *p)
{
	json_decref(p->receipt);
	json_decref(p->head);
}

static int load_newest_json(const struct receipt_store *s,
			    const struct device_streams *t, const char *sql,
			    json_t **ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->turn->db, &row, e, sql, "ss", t->device, t->epoch);

	if (r <= 0)
		return r;
	r = json_column_read(row, 0, ret, e);
	return r;
}

int receipt_store_get_position(const struct receipt_store *s,
			       const char *device, const char *epoch,
			       struct receipt_store_position *ret,
			       struct err *e)
{
	AUTO(device_streams_fini) struct device_streams t = { 0 };
	int r = load_device_streams(s, device, epoch, &t, e);

	if (r < 0)
		return r;
	ret->receipts = (uint64_t)t.receipts;
	ret->records = t.chain.seq;
	r = load_newest_json(s, &t,
			     "SELECT envelope FROM receipt WHERE device = ? AND"
			     " epoch = ? ORDER BY seq DESC LIMIT 1",
			     &ret->receipt, e);
	return r < 0 ? r
		     : load_newest_json(
			       s, &t,
			       "SELECT head FROM batch WHERE device = ? AND"
			       " epoch = ? ORDER BY seq DESC LIMIT 1",
			       &ret->head, e);
}

/* ---- receipts */
static int insert_receipt_row(const struct receipt_store *s,
			      const struct receipt *rc,
			      const struct envelope *env, const char *sha256,
			      int64_t *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	const char *document =
		json_string_value(json_object_get(rc->document, "sha256"));
	const char *command =
		json_string_value(json_object_get(rc->details, "command"));
	auto_free char *text = NULL;
	int64_t time = 0;
	int r = envelope_text(env, &text, e);

	if (r < 0)
		return r;
	encoding_parse_time(rc->time, &time);
	r = db_first(s->turn->db, &row, e,
		     "INSERT INTO receipt (device, epoch, seq, sha256, type,"
		     " time, vp, reason, enforcement, document, command,"
		     " received, payload, envelope, describes)"
		     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		     " RETURNING number",
		     "ssississsssissi", rc->device, rc->epoch, rc->seq, sha256,
		     receipt_type_name(rc->type), time, rc->vp, rc->reason,
		     rc->enforcement, document, command, clock_wall(),
		     (const char *)env->payload, text,
		     (int64_t)receipt_describes(rc));
	if (r > 0)
		*ret = db_int(row, 0);
	return r < 0 ? r : 0;
}

/* What the receipt says of the device. */
static int apply_receipt_to_device(const struct receipt_store *s,
				   const struct receipt *rc, struct err *e)
{
	const char *to;
	int r = db_run(
		s->turn->db, e,
		"UPDATE device SET enforcement = coalesce(?, enforcement)"
		" WHERE id = ?",
		"ss", rc->enforcement, rc->device);

	if (r < 0)
		return r;
	if (rc->type == RECEIPT_SWITCHED) {
		to = json_string_value(json_object_get(rc->details, "to"));
		return db_run(s->turn->db, e,
			      "UPDATE device SET foreground = ? WHERE id = ?",
			      "ss", to && *to ? to : NULL, rc->device);
	}
	return receipt_describes(rc)
		       ? device_update_compliance(s->turn->db, rc->device, e)
		       : 0;
}

static void emit_receipt_event(const struct receipt_store *s,
			       const struct receipt *rc)
{
	char group[DOC_ID_SIZE] = "";
	AUTO(db_done) struct db_row *row = NULL;
	struct err e;

	if (db_first(s->turn->db, &row, &e,
		     "SELECT grp FROM device WHERE id = ?", "s",
		     rc->device) > 0)
		snprintf(group, sizeof(group), "%s", db_text(row, 0));
	db_done(&row);
	turn_queue_event(s->turn, "receipt", group,
			 json_pack("{s:s, s:O}", "device", rc->device,
				   "receipt", rc->json));
}

/* The same seq again: the same bytes, or somebody lies. */
static int compare_stored_receipt(const struct receipt_store *s,
				  const struct device_streams *t, int64_t seq,
				  const char *sha256, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	struct err why;
	bool same;
	int r = db_first(s->turn->db, &row, e,
			 "SELECT sha256 FROM receipt WHERE device = ? AND"
			 " epoch = ? AND seq = ?",
			 "ssi", t->device, t->epoch, seq);

	if (r <= 0)
		return r;
	same = strcmp(db_text(row, 0), sha256) == 0;
	db_done(&row);
	if (same)
		return 0;
	err_set(&why, EBADMSG, "two receipts with seq %" PRId64, seq);
	return alarm_record(s->turn, t->device, why.text, e);
}

/* *why is always filled on failure: it becomes an alarm. */
static int open_signed_receipt(const struct device_streams *t, json_t *j,
			       struct envelope **ret_env, struct receipt *ret,
			       struct receipt_gap *ret_gap, struct err *why)
{
	int r = envelope_from_json(json_object_get(j, "envelope"), ret_env,
				   why);

	if (r == 0)
		r = receipt_open(*ret_env, t->key, ret, why);
	if (r == 0 && strcmp(ret->device, t->device) != 0)
		r = err_reason(why, REASON_WRONG_DEVICE,
			       "it is of device %.64s", ret->device);
	if (r == 0 && ret->type == RECEIPT_GAP)
		r = receipt_read_gap(ret, ret_gap, why);
	return r;
}

/* Something else than what it names as the one before it may be here: it is
 * kept, for it is signed, and reported. */
static int report_broken_chain(const struct receipt_store *s,
			       const struct receipt *rc, struct err *e)
{
	char digest[ENCODING_DIGEST_SIZE];
	struct err alarm;
	int r = resync_get_receipt_digest(s->turn, rc->device, rc->epoch,
					  rc->seq - 1, digest, e);

	if (r < 0 || !rc->prev || !digest[0] || strcmp(digest, rc->prev) == 0)
		return r;
	err_set(&alarm, EBADMSG,
		"receipt %" PRId64 " does not continue the one before it",
		rc->seq);
	return alarm_record(s->turn, rc->device, alarm.text, e);
}

/* A statement moves its stream on if it covers what would be next. */
static int apply_gap_statement(const struct receipt_store *s,
			       struct device_streams *t,
			       const struct receipt *rc,
			       const struct receipt_gap *g,
			       const struct envelope *env, struct err *e)
{
	int64_t next = (g->is_audit ? (int64_t)t->chain.seq : t->receipts) + 1;
	bool bridges = g->from <= next && next <= g->to;

	if (!bridges && rc->seq != t->receipts + 1)
		return 0;
	if (bridges && !g->is_audit)
		t->receipts = g->to;
	if (bridges && g->is_audit) {
		t->chain.seq = (uint64_t)g->to;
		memcpy(t->chain.head, g->digest, HASH_SIZE);
	}
	return resync_store_gap(s->turn, rc, g, bridges ? next : 0, env, e);
}

/* In its turn: into the database, with all that it says. */
static int add_next_receipt(const struct receipt_store *s,
			    struct device_streams *t, const struct receipt *rc,
			    const struct envelope *env, const char *sha256,
			    struct err *e)
{
	int64_t number = 0;
	int r = report_broken_chain(s, rc, e);

	if (r == 0)
		r = insert_receipt_row(s, rc, env, sha256, &number, e);
	if (r < 0)
		return r;
	t->receipts = rc->seq;
	s->turn->metrics->receipts++;
	r = apply_receipt_to_device(s, rc, e);
	if (r == 0)
		r = command_apply_receipt(s->turn, s->connections, rc, number,
					  e);
	emit_receipt_event(s, rc);
	return r;
}

/* 1: taken or known; 0: stop here. */
static int add_or_compare_receipt(const struct receipt_store *s,
				  struct device_streams *t, json_t *j,
				  struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(receipt_fini) struct receipt rc = { 0 };
	struct receipt_gap gap = { 0 };
	char sha256[ENCODING_DIGEST_SIZE];
	struct err why, alarm;
	int64_t before = t->receipts;
	int r;

	if (open_signed_receipt(t, j, &env, &rc, &gap, &why) < 0) {
		s->turn->metrics->receipts_refused++;
		err_set(&alarm, EBADMSG, "a receipt after %" PRId64 ": %s",
			t->receipts, why.text);
		return alarm_record(s->turn, t->device, alarm.text, e);
	}
	encoding_format_digest(env->digest, sha256);
	if (rc.seq <= t->receipts) {
		r = compare_stored_receipt(s, t, rc.seq, sha256, e);
		return r < 0 ? r : 1;
	}
	r = rc.type == RECEIPT_GAP
		    ? apply_gap_statement(s, t, &rc, &gap, env, e)
		    : 0;
	if (r < 0)
		return r;
	if (rc.seq != t->receipts + 1) /* the ack will say what is lacking */
		return rc.type == RECEIPT_GAP || t->receipts != before;
	r = add_next_receipt(s, t, &rc, env, sha256, e);
	return r < 0 ? r : 1;
}

int receipt_store_add_receipts(const struct receipt_store *s,
			       const char *device, const char *epoch,
			       json_t *list, uint64_t *ret_seq, struct err *e)
{
	AUTO(device_streams_fini) struct device_streams t = { 0 };
	size_t i;
	json_t *j;
	int r = load_device_streams(s, device, epoch, &t, e);

	if (r < 0)
		return r;
	if (json_array_size(list) > RECEIPTS_MAX)
		return err_set(e, EINVAL, "more than %d receipts",
			       RECEIPTS_MAX);
	json_array_foreach (list, i, j) {
		r = add_or_compare_receipt(s, &t, j, e);
		if (r < 0)
			return r;
		if (r == 0)
			break;
	}
	r = db_run(s->turn->db, e,
		   "UPDATE epoch SET receipt_seq = ?, audit_seq = ?,"
		   " audit_head = ? WHERE device = ? AND epoch = ?",
		   "iibss", t.receipts, (int64_t)t.chain.seq, t.chain.head,
		   sizeof(t.chain.head), device, epoch);
	*ret_seq = (uint64_t)t.receipts;
	return r;
}

/* ---- audit batches */
static int64_t get_record_sequence(json_t *text)
{
	auto_json json_t *j = NULL;
	json_t *seq;
	struct err e;

	if (!json_is_string(text) ||
	    json_parse(json_string_value(text), json_string_length(text),
		       "record", &j, &e) < 0)
		return -1;
	seq = json_object_get(j, "seq");
	return json_is_integer(seq) ? json_integer_value(seq) : -1;
}

/* A batch that was sent again may begin with records that are here. */
static json_t *copy_unknown_records(json_t *batch, uint64_t have)
{
	json_t *part = json_copy(batch), *records = json_array(), *text;
	size_t i;

	json_array_foreach (json_object_get(batch, "records"), i, text)
		if (get_record_sequence(text) < 0 ||
		    (uint64_t)get_record_sequence(text) > have)
			json_array_append(records, text);
	if (part)
		json_object_set(part, "records", records);
	json_decref(records);
	return part;
}

static int insert_audit_record(const struct receipt_store *s,
			       const struct device_streams *t, json_t *text,
			       struct err *e)
{
	auto_json json_t *j = NULL;
	const char *event = NULL, *time = NULL, *vp = NULL, *cls = NULL;
	int64_t seq = 0, when = 0;
	const struct json_member table[] = {
		{ "seq", JSON_INTEGER, false, &seq },
		{ "event", JSON_STRING, false, &event },
		{ "time", JSON_STRING, false, &time },
		{ "vp", JSON_STRING, true, &vp },
		{ "class", JSON_STRING, true, &cls },
		{ NULL },
	};
	int r = json_parse(json_string_value(text), json_string_length(text),
			   "record", &j, e);

	if (r == 0)
		r = json_read_object(j, table, false, "record", e);
	if (r < 0)
		return r;
	encoding_parse_time(time, &when);
	s->turn->metrics->records++;
	return db_run(s->turn->db, e,
		      "INSERT INTO record (device, epoch, seq, time, event, vp,"
		      " class, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		      "ssiissss", t->device, t->epoch, seq, when, event, vp,
		      cls, json_string_value(text));
}

/* The head goes into the tree: nobody can change the device's past unseen. */
static int insert_audit_batch(const struct receipt_store *s,
			      const struct device_streams *t, json_t *batch,
			      uint64_t first, struct err *e)
{
	json_t *head = json_object_get(batch, "head");
	auto_free char *text = json_text(head);
	char digest[ENCODING_DIGEST_SIZE];
	auto_json json_t *after = NULL;
	struct audit_log_entry en = { .who = t->device,
				      .from = "device",
				      .action = "batch",
				      .object = digest,
				      .device = t->device };
	uint64_t leaf;
	int r;

	encoding_format_digest(t->chain.head, digest);
	after = json_pack("{s:s, s:I, s:I, s:s}", "epoch", t->epoch, "first",
			  (json_int_t)first, "seq", (json_int_t)t->chain.seq,
			  "head", digest);
	if (!text || !after)
		return err_oom(e, "keep an audit batch");
	en.after = after;
	r = turn_append_audit(s->turn, &en, &leaf, e);
	if (r == 0)
		r = db_run(
			s->turn->db, e,
			"INSERT INTO batch (device, epoch, first, seq,"
			" received, head, leaf) VALUES (?, ?, ?, ?, ?, ?, ?)",
			"ssiiisi", t->device, t->epoch, (int64_t)first,
			(int64_t)t->chain.seq, clock_wall(), text,
			(int64_t)leaf);
	if (r == 0)
		r = db_run(s->turn->db, e,
			   "UPDATE epoch SET audit_seq = ?, audit_head = ?"
			   " WHERE device = ? AND epoch = ?",
			   "ibss", (int64_t)t->chain.seq, t->chain.head,
			   sizeof(t->chain.head), t->device, t->epoch);
	return r;
}

int receipt_store_add_audit_batch(const struct receipt_store *s,
				  const char *device, const char *epoch,
				  json_t *batch, uint64_t *ret_seq,
				  struct err *e)
{
	AUTO(device_streams_fini) struct device_streams t = { 0 };
	auto_json json_t *part = NULL;
	json_t *records, *text;
	struct err why, alarm;
	uint64_t have;
	size_t i;
	int r = load_device_streams(s, device, epoch, &t, e);

	if (r < 0)
		return r;
	have = *ret_seq = t.chain.seq;
	part = copy_unknown_records(batch, have);
	records = json_object_get(part, "records");
	if (json_array_size(records) == 0)
		return 0;
	if (get_record_sequence(json_array_get(records, 0)) !=
	    (int64_t)have + 1)
		return 0; /* a gap: the ack says from where on */
	if (audit_check_batch(part, device, epoch, t.key, &t.chain, &why) < 0) {
		err_set(&alarm, EBADMSG, "an audit batch after %" PRIu64 ": %s",
			have, why.text);
		return alarm_record(s->turn, device, alarm.text, e);
	}
	json_array_foreach (records, i, text) {
		r = insert_audit_record(s, &t, text, e);
		if (r < 0)
			return r;
	}
	r = insert_audit_batch(s, &t, part, have + 1, e);
	*ret_seq = t.chain.seq;
	return r;
}

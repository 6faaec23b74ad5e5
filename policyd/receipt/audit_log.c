/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/receipt/audit_log.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "policyd/receipt/pending.h"
#include "policyd/receipt/recorder.h"
#include "policyd/store/store.h"

#include <errno.h>
#include <string.h>

/* A batch travels in one message of at most 1 MiB, escaped. */
#define BATCH_BYTES (384 * 1024)
/* Dropped at once when the bound is reached, so that it is not at each record.
 */
#define DROP_BYTES (AUDIT_LOG_BYTES_MAX / 16)

int audit_log_get_chain(struct store *s, struct audit_chain *ret, struct err *e)
{
	struct audit_chain chain = { 0 };
	auto_free char *head = NULL;
	int64_t seq = 0;
	int r = store_get_int(s, STORE_AUDIT_SEQ, 0, &seq, e);

	if (r < 0)
		return r;
	r = store_get_text(s, STORE_AUDIT_HEAD, "", &head, e);
	if (r < 0)
		return r;
	if (*head &&
	    encoding_from_hex(head, chain.head, sizeof(chain.head)) < 0)
		return err_set(e, EBADMSG, "the audit's head is damaged");
	chain.seq = (uint64_t)seq;
	*ret = chain;
	return 0;
}

static int append_audit_record(const struct recorder *rec, enum audit_event ev,
			       int64_t time, const char *vp, const char *cls,
			       json_t *detail, struct err *e)
{
	char hex[2 * HASH_SIZE + 1];
	auto_free char *record = NULL;
	struct audit_chain chain;
	int64_t bytes = 0;
	int r = audit_log_get_chain(rec->store, &chain, e);

	if (r == 0)
		r = store_get_int(rec->store, STORE_AUDIT_BYTES, 0, &bytes, e);
	if (r < 0)
		return r;
	r = audit_append(&chain, ev, time, vp, cls, detail, &record, e);
	if (r < 0)
		return r;
	encoding_to_hex(chain.head, sizeof(chain.head), hex);
	bytes += (int64_t)strlen(record);
	r = store_put_audit(rec->store, (int64_t)chain.seq, record, e);
	if (r == 0)
		r = store_set_int(rec->store, STORE_AUDIT_SEQ,
				  (int64_t)chain.seq, e);
	if (r == 0)
		r = store_set_text(rec->store, STORE_AUDIT_HEAD, hex, e);
	if (r == 0)
		r = store_set_int(rec->store, STORE_AUDIT_BYTES, bytes, e);
	return r;
}

/* 1: there is room for one more record; 0: there is not. */
static int make_record_room(const struct recorder *rec, struct err *e)
{
	int64_t bytes = 0, acked = 0, gone = 0;
	int r = store_get_int(rec->store, STORE_AUDIT_BYTES, 0, &bytes, e);

	if (r < 0)
		return r;
	if (bytes + 2 * AUDIT_RECORD_MAX <= AUDIT_LOG_BYTES_MAX)
		return 1;
	r = store_get_int(rec->store, STORE_AUDIT_ACKED, 0, &acked, e);
	if (r == 0)
		r = store_drop_audit(rec->store, acked, DROP_BYTES, &gone, e);
	if (r == 0)
		r = store_set_int(rec->store, STORE_AUDIT_BYTES, bytes - gone,
				  e);
	if (r < 0)
		return r;
	return bytes - gone + 2 * AUDIT_RECORD_MAX <= AUDIT_LOG_BYTES_MAX;
}

/* Reports what was counted since the last record. */
static int write_lost_count(const struct recorder *rec, struct err *e)
{
	auto_json json_t *detail = NULL;
	int64_t lost = 0;
	int r = store_get_int(rec->store, STORE_AUDIT_LOST, 0, &lost, e);

	if (r < 0 || lost == 0)
		return r;
	detail = json_pack("{sI ss}", "count", (json_int_t)lost, "cause",
			   "full");
	r = append_audit_record(rec, AUDIT_LOST, recorder_get_time(rec), NULL,
				NULL, detail, e);
	return r < 0 ? r : store_set_int(rec->store, STORE_AUDIT_LOST, 0, e);
}

/* Of refusals there may be a quarter: who floods a device with them takes no
 * room from what VPs do. 1: there is room. */
static int has_refusal_quota(const struct recorder *rec, struct err *e)
{
	int64_t bytes = 0;
	int r = store_get_int(rec->store, STORE_AUDIT_BYTES, 0, &bytes, e);

	if (r < 0 || bytes < AUDIT_LOG_BYTES_MAX / 4 * 3)
		return r < 0 ? r : 1;
	r = store_get_refused_bytes(rec->store, &bytes, e);
	return r < 0 ? r : bytes < AUDIT_LOG_BYTES_MAX / 4;
}

int audit_log_write(const struct recorder *rec, enum audit_event ev,
		    const char *vp, const char *cls, json_t *detail,
		    struct err *e)
{
	auto_json json_t *owned = detail;
	int64_t lost;
	int r;

	if (!rec->identity->key)
		return 0;
	r = ev == AUDIT_REFUSED ? has_refusal_quota(rec, e) : 1;
	if (r > 0)
		r = make_record_room(rec, e);
	if (r < 0)
		return r;
	if (r == 0)
		return store_increment(rec->store, STORE_AUDIT_LOST, &lost, e);
	pending_schedule_audit(rec->pending);
	r = write_lost_count(rec, e);
	if (r < 0)
		return r;
	return append_audit_record(rec, ev, recorder_get_time(rec),
				   vp && *vp ? vp : NULL, cls, owned, e);
}

static enum audit_event parse_event_name(const char *word)
{
	enum audit_event ev = 0;

	while (ev < AUDIT_EVENT_COUNT &&
	       strcmp(audit_event_name(ev), word) != 0)
		ev++;
	return ev;
}

int audit_log_rechain_record(const struct recorder *rec, const char *record,
			     struct err *e)
{
	const char *event = "", *time = "", *vp = NULL, *cls = NULL;
	auto_json json_t *j = NULL;
	json_t *detail = NULL;
	const struct json_member table[] = {
		{ "event", JSON_STRING, false, &event },
		{ "time", JSON_STRING, false, &time },
		{ "vp", JSON_STRING, true, &vp },
		{ "class", JSON_STRING, true, &cls },
		{ "detail", JSON_OBJECT, false, &detail },
		{ NULL },
	};
	enum audit_event ev;
	int64_t at;
	int r = json_parse(record, strlen(record), "audit record", &j, e);

	if (r == 0)
		r = json_read_object(j, table, false, "audit record", e);
	if (r < 0)
		return r;
	ev = parse_event_name(event);
	if (ev == AUDIT_EVENT_COUNT || encoding_parse_time(time, &at) < 0)
		return err_set(e, EBADMSG, "an audit record is damaged");
	return append_audit_record(rec, ev, at, vp, cls, detail, e);
}

int audit_log_write_lost(const struct recorder *rec, int64_t count,
			 const char *cause, struct err *e)
{
	return audit_log_write(rec, AUDIT_LOST, NULL, NULL,
			       json_pack("{sI ss}", "count", (json_int_t)count,
					 "cause", cause),
			       e);
}

struct audit_batch {
	json_t *records;
	struct audit_chain end;
	size_t bytes;
};

static int add_batch_record(void *ctx, int64_t seq, const char *record,
			    struct err *e)
{
	struct audit_batch *b = ctx;

	/* A record of another chain, that began above a gap. */
	if (json_array_size(b->records) > 0 && (uint64_t)seq != b->end.seq + 1)
		return -ENOBUFS;
	b->bytes += strlen(record);
	if (b->bytes > BATCH_BYTES && json_array_size(b->records) > 0)
		return -ENOBUFS;
	if (json_array_append_new(b->records, json_string(record)) < 0)
		return err_oom(e, "read audit");
	b->end.seq = (uint64_t)seq;
	hash_sha256(record, strlen(record), b->end.head);
	return 0;
}

/* The batch as JSON text, its end signed. */
static int sign_audit_batch(const struct recorder *rec,
			    const struct audit_batch *b, char **ret,
			    struct err *e)
{
	auto_json json_t *head = NULL, *j = NULL;
	auto_free char *envelope = NULL;
	int r = audit_sign_head(&b->end, rec->identity->device,
				rec->identity->epoch, recorder_get_time(rec),
				rec->identity->key, &envelope, e);

	if (r == 0)
		r = json_parse(envelope, strlen(envelope), "audit head", &head,
			       e);
	if (r < 0)
		return r;
	j = json_pack("{sO sO}", "records", b->records, "head", head);
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "read audit");
}

int audit_log_build_batch(const struct recorder *rec, int64_t after, char **ret,
			  struct err *e)
{
	auto_json json_t *records = json_array();
	struct audit_batch b = { .records = records };
	int r;

	if (!records)
		return err_oom(e, "read audit");
	r = store_sync(rec->store, e);
	if (r == 0 && rec->identity->key)
		r = store_each_audit(rec->store, after, AUDIT_BATCH_MAX,
				     add_batch_record, &b, e);
	if (r < 0 && r != -ENOBUFS)
		return r;
	*ret = NULL;
	return json_array_size(records) > 0 ? sign_audit_batch(rec, &b, ret, e)
					    : 0;
}

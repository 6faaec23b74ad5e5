/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/audit.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <inttypes.h>
#include <string.h>

#define FORMAT 1

static const char *const events[AUDIT_EVENT_COUNT] = {
#define AUDIT_EVENT_WORD(s, w) [AUDIT_##s] = w,
	AUDIT_EVENTS(AUDIT_EVENT_WORD)
#undef AUDIT_EVENT_WORD
};

const char *audit_event_name(enum audit_event ev)
{
	return events[ev];
}

static bool is_known_event(const char *name)
{
	for (unsigned int i = 0; i < AUDIT_EVENT_COUNT; i++)
		if (strcmp(events[i], name) == 0)
			return true;
	return false;
}

static int report_bad_record(struct err *e, uint64_t seq, const char *what)
{
	return err_set(e, EBADMSG, "audit record %" PRIu64 ": %s", seq, what);
}

static void advance_chain_head(struct audit_chain *c, const char *record,
			       size_t len)
{
	hash_sha256(record, len, c->head);
	c->seq++;
}

int audit_append(struct audit_chain *c, enum audit_event ev, int64_t time,
		 const char *vp, const char *cls, json_t *detail, char **ret,
		 struct err *e)
{
	char prev[ENCODING_DIGEST_SIZE], when[ENCODING_TIME_SIZE];
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;
	size_t len;

	encoding_format_digest(c->head, prev);
	encoding_format_time(time, when);
	j = json_pack("{ss* ss* ss ss ss sI so}", "class", cls, "vp", vp,
		      "event", events[ev], "prev", prev, "time", when, "seq",
		      (json_int_t)c->seq + 1, "detail",
		      detail ? json_incref(detail) : json_object());
	text = j ? json_text(j) : NULL;
	if (!text)
		return err_oom(e, "audit record");
	len = strlen(text);
	if (len > AUDIT_RECORD_MAX)
		return err_set(e, EMSGSIZE,
			       "audit record '%s': %zu bytes, at most %d are "
			       "allowed",
			       events[ev], len, AUDIT_RECORD_MAX);
	advance_chain_head(c, text, len);
	*ret = steal(text);
	return 0;
}

/* Form, but for what chains it. */
static bool is_well_formed(const json_t *j, const char *event, const char *time,
			   const char *vp, const char *cls)
{
	int64_t t;

	/* There is one spelling of a lacking member: none, not null. */
	return is_known_event(event) && encoding_parse_time(time, &t) == 0 &&
	       (vp ? encoding_is_valid_id(vp) : !json_object_get(j, "vp")) &&
	       (cls ? class_from_name(cls) != CELLS_CLASS_COUNT
		    : !json_object_get(j, "class"));
}

int audit_verify_record(struct audit_chain *c, const char *record, size_t len,
			struct err *e)
{
	const char *cls = NULL, *event, *prev, *time, *vp = NULL;
	int64_t seq;
	const struct json_member table[] = {
		{ "class", JSON_STRING, true, &cls },
		{ "detail", JSON_OBJECT, false, NULL },
		{ "event", JSON_STRING, false, &event },
		{ "prev", JSON_STRING, false, &prev },
		{ "seq", JSON_INTEGER, false, &seq },
		{ "time", JSON_STRING, false, &time },
		{ "vp", JSON_STRING, true, &vp },
		{ NULL },
	};
	char head[ENCODING_DIGEST_SIZE];
	auto_json json_t *j = NULL;
	auto_free char *again = NULL;

	if (len > AUDIT_RECORD_MAX)
		return report_bad_record(e, c->seq + 1, "longer than allowed");
	if (json_parse(record, len, "audit record", &j, e) < 0 ||
	    json_read_object(j, table, true, "audit record", e) < 0)
		return -EBADMSG;
	again = json_text(j);
	if (!again)
		return err_oom(e, "audit record");
	if (strlen(again) != len || memcmp(again, record, len) != 0)
		return report_bad_record(e, c->seq + 1,
					 "not compact with sorted members");
	if (!is_well_formed(j, event, time, vp, cls))
		return report_bad_record(e, c->seq + 1,
					 "a member is misformed");
	if (seq < 0 || (uint64_t)seq != c->seq + 1)
		return report_bad_record(e, c->seq + 1,
					 "another number is in its place");
	encoding_format_digest(c->head, head);
	if (strcmp(prev, head) != 0)
		return report_bad_record(e, c->seq + 1,
					 "does not continue the one before it");
	advance_chain_head(c, record, len);
	return 0;
}

int audit_sign_head(const struct audit_chain *c, const char *device,
		    const char *epoch, int64_t time, const struct key *k,
		    char **ret, struct err *e)
{
	char head[ENCODING_DIGEST_SIZE], when[ENCODING_TIME_SIZE];
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;

	encoding_format_digest(c->head, head);
	encoding_format_time(time, when);
	j = json_pack("{si ss ss sI ss ss}", "format", FORMAT, "device", device,
		      "epoch", epoch, "seq", (json_int_t)c->seq, "head", head,
		      "time", when);
	text = j ? json_text(j) : NULL;
	if (!text)
		return err_oom(e, "audit head");
	return envelope_make(AUDIT_HEAD_TYPE, text, strlen(text), k, ret, e);
}

void audit_head_fini(struct audit_head *h)
{
	json_decref(h->json);
	*h = (struct audit_head){ 0 };
}

/* The envelope came inside of a JSON text, so it is written out again first. */
int audit_open_head(json_t *envelope, const struct key *k,
		    struct audit_head *ret, struct err *e)
{
	AUTO(audit_head_fini) struct audit_head h = { 0 };
	const char *head = NULL;
	int64_t format = 0;
	const struct json_member table[] = {
		{ "device", JSON_STRING, false, &h.device },
		{ "epoch", JSON_STRING, false, &h.epoch },
		{ "format", JSON_INTEGER, false, &format },
		{ "head", JSON_STRING, false, &head },
		{ "seq", JSON_INTEGER, false, &h.seq },
		{ "time", JSON_STRING, false, &h.time },
		{ NULL },
	};
	AUTO(envelope_freep) struct envelope *env = NULL;
	int64_t t;
	int r = envelope_from_json(envelope, &env, e);

	if (r < 0)
		return r;
	r = envelope_verify(env, AUDIT_HEAD_TYPE, k, e);
	if (r < 0)
		return r;
	if (json_parse(env->payload, env->payload_len, "audit head", &h.json,
		       e) < 0 ||
	    json_read_object(h.json, table, true, "audit head", e) < 0)
		return -EBADMSG;
	if (format != FORMAT || encoding_parse_time(h.time, &t) < 0 ||
	    h.seq < 1 || encoding_parse_digest(head, h.head) < 0)
		return err_set(e, EBADMSG, "audit head: misformed");
	*ret = h;
	h.json = NULL;
	return 0;
}

/* Follows all records on a copy of the chain. */
static int verify_batch_records(json_t *records, struct audit_chain *c,
				struct err *e)
{
	size_t i;
	json_t *j;

	if (json_array_size(records) > AUDIT_BATCH_MAX)
		return err_set(e, EBADMSG,
			       "audit batch: %zu records, at most %d are "
			       "allowed",
			       json_array_size(records), AUDIT_BATCH_MAX);
	json_array_foreach (records, i, j) {
		int r;

		if (!json_is_string(j))
			return report_bad_record(e, c->seq + 1, "not a text");
		r = audit_verify_record(c, json_string_value(j),
					json_string_length(j), e);
		if (r < 0)
			return r;
	}
	return 0;
}

int audit_check_batch(json_t *batch, const char *device, const char *epoch,
		      const struct key *k, struct audit_chain *c, struct err *e)
{
	json_t *records, *envelope;
	const struct json_member table[] = {
		{ "records", JSON_ARRAY, false, &records },
		{ "head", JSON_OBJECT, false, &envelope },
		{ NULL },
	};
	AUTO(audit_head_fini) struct audit_head h = { 0 };
	struct audit_chain end = *c;
	int r;

	if (json_read_object(batch, table, true, "audit batch", e) < 0)
		return -EBADMSG;
	r = audit_open_head(envelope, k, &h, e);
	if (r < 0)
		return r;
	if (strcmp(h.device, device) != 0 || strcmp(h.epoch, epoch) != 0)
		return err_set(e, EBADMSG,
			       "audit head: it is of %.64s in epoch %.32s",
			       h.device, h.epoch);
	r = verify_batch_records(records, &end, e);
	if (r < 0)
		return r;
	if ((uint64_t)h.seq != end.seq ||
	    memcmp(h.head, end.head, HASH_SIZE) != 0)
		return err_set(e, EBADMSG,
			       "audit head: it is not that of the batch's last "
			       "record, %" PRIu64,
			       end.seq);
	*c = end;
	return 0;
}

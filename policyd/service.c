/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/service.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "policyd/access/explain.h"
#include "policyd/bus/connection_internal.h"
#include "policyd/command.h"
#include "policyd/enroll.h"
#include "policyd/layer/image.h"
#include "policyd/password.h"
#include "policyd/policyd.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/gap.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/refusal.h"
#include "policyd/receipt/resume.h"
#include "policyd/status.h"
#include "policyd/submit.h"
#include "policyd/submit_result.h"
#include "policyd/unenroll.h"

#include <string.h>

#define RECEIPTS_MAX 100
#define WANTS_MAX 1000

/* 1: answered; 0: the handler answers later; < 0: with e. */
typedef int method_fn(struct policyd *p, sd_bus_message *m, struct err *e);

static int set_bad_call_error(struct err *e, int r)
{
	return err_sys(e, r < 0 ? -r : EBADMSG, "read the call");
}

static int send_empty_reply(sd_bus_message *m, struct err *e)
{
	int r = sd_bus_reply_method_return(m, "");

	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

static int send_text_reply(sd_bus_message *m, const char *text, struct err *e)
{
	int r = sd_bus_reply_method_return(m, "s", text);

	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

/* ---- what the agent calls */
static int handle_submit(struct policyd *p, sd_bus_message *m, struct err *e)
{
	struct submit_result result;
	bool refused;
	const void *data;
	size_t len;
	int r = sd_bus_message_read_array(m, 'y', &data, &len);

	if (r < 0)
		return set_bad_call_error(e, r);
	r = submit_envelope(p, data, len, &result, e);
	/* No error of the call, or the agent would hang up before what comes
	 * behind it: a command, for which room is kept. */
	if (r < 0 && e->reason == REASON_STORAGE_FULL)
		result = (struct submit_result){ "refused", *e };
	else if (r < 0)
		return r;
	refused = strcmp(result.outcome, "refused") == 0;
	r = sd_bus_reply_method_return(m, "sss", result.outcome,
				       refused ? err_code(&result.e) : "",
				       refused ? result.e.text : "");
	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

static int handle_wants(struct policyd *p, sd_bus_message *m, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	uint32_t max;
	int r = sd_bus_message_read(m, "u", &max);

	if (r < 0)
		return set_bad_call_error(e, r);
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(ss)");
	if (r >= 0)
		r = image_append_wanted(p->image, reply,
					max < WANTS_MAX ? max : WANTS_MAX);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(p->connection->bus, reply, NULL);
	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

static int handle_put_chunk(struct policyd *p, sd_bus_message *m, struct err *e)
{
	const char *digest;
	int fd, r;

	r = sd_bus_message_read(m, "sh", &digest, &fd);
	if (r < 0)
		return set_bad_call_error(e, r);
	r = image_receive_chunk(p->image, digest, fd, e);
	return r < 0 ? r : send_empty_reply(m, e);
}

struct receipt_reply {
	struct policyd *p;
	sd_bus_message *reply;
};

static int append_signed_receipt(void *ctx, int64_t seq, const char *payload,
				 struct err *e)
{
	struct receipt_reply *rs = ctx;
	auto_free char *text = NULL;
	int r = receipt_issuer_sign(&rs->p->recorder, payload, &text, e);

	if (r < 0)
		return r;
	r = sd_bus_message_open_container(rs->reply, 'r', "tay");
	if (r >= 0)
		r = sd_bus_message_append(rs->reply, "t", (uint64_t)seq);
	if (r >= 0)
		r = sd_bus_message_append_array(rs->reply, 'y', text,
						strlen(text));
	if (r >= 0)
		r = sd_bus_message_close_container(rs->reply);
	return r < 0 ? err_sys(e, -r, "answer") : 0;
}

/* What is numbered up to *after is gone: the receipt that says so, in front. */
static int append_gap_receipt(struct receipt_reply *rs, int64_t *after,
			      struct err *e)
{
	auto_free char *payload = NULL;
	int64_t seq, floor = 0;
	int r = gap_report_receipts(&rs->p->recorder, *after, &seq, e);

	if (r < 0 || seq == 0)
		return r;
	r = store_get_int(rs->p->store, STORE_RECEIPT_FLOOR, 0, &floor, e);
	if (r == 0)
		r = store_get_receipt(rs->p->store, seq, &payload, e);
	if (r == 0)
		r = append_signed_receipt(rs, seq, payload, e);
	*after = floor;
	return r;
}

/* Those whose command came again come first. */
static int append_repeated_receipts(struct receipt_reply *rs, int64_t after,
				    struct err *e)
{
	int64_t seq[COMMAND_AGAIN_MAX];
	unsigned int n = command_pop_repeated_receipts(rs->p->commands, seq);

	for (unsigned int i = 0; i < n; i++) {
		auto_free char *payload = NULL;
		struct err ignored;
		int r;

		if (seq[i] > after || store_get_receipt(rs->p->store, seq[i],
							&payload, &ignored) < 0)
			continue;
		r = append_signed_receipt(rs, seq[i], payload, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int append_receipts_after(struct receipt_reply *rs, int64_t after,
				 uint32_t max, struct err *e)
{
	int r = append_repeated_receipts(rs, after, e);

	if (r == 0)
		r = append_gap_receipt(rs, &after, e);
	return r < 0 ? r
		     : store_each_receipt(rs->p->store, after,
					  max < RECEIPTS_MAX ? max
							     : RECEIPTS_MAX,
					  append_signed_receipt, rs, e);
}

static int handle_receipts(struct policyd *p, sd_bus_message *m, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	uint64_t after;
	uint32_t max;
	int r = sd_bus_message_read(m, "tu", &after, &max);

	if (r < 0)
		return set_bad_call_error(e, r);
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(tay)");
	if (r < 0)
		return err_sys(e, -r, "answer");
	r = store_sync(p->store, e);
	if (r < 0)
		return r;
	if (p->identity.key && after <= INT64_MAX) {
		struct receipt_reply rs = { p, reply };

		r = append_receipts_after(&rs, (int64_t)after, max, e);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(p->connection->bus, reply, NULL);
	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

static int handle_audit(struct policyd *p, sd_bus_message *m, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	auto_free char *batch = NULL;
	uint64_t after;
	int64_t gap;
	int r = sd_bus_message_read(m, "t", &after);

	if (r < 0)
		return set_bad_call_error(e, r);
	if (after > INT64_MAX)
		after = INT64_MAX;
	r = p->identity.key
		    ? gap_report_audit(&p->recorder, (int64_t)after, &gap, e)
		    : 0;
	if (r == 0)
		r = audit_log_build_batch(&p->recorder, (int64_t)after, &batch,
					  e);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_append_array(reply, 'y', batch ? batch : "",
						batch ? strlen(batch) : 0);
	if (r >= 0)
		r = sd_bus_send(p->connection->bus, reply, NULL);
	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

static int save_acked_number(struct policyd *p, const char *name,
			     const char *last, int64_t seq, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t before = 0, newest = 0;
	int r = store_get_int(p->store, name, 0, &before, e);

	if (r == 0)
		r = store_get_int(p->store, last, 0, &newest, e);
	/* Neither back nor beyond what there is. */
	if (r < 0 || seq <= before || seq > newest)
		return r;
	r = store_begin(p->store, false, &tx, e);
	if (r == 0)
		r = store_set_int(p->store, name, seq, e);
	return r < 0 ? r : store_commit(&tx, e);
}

static int handle_ack(struct policyd *p, sd_bus_message *m, struct err *e)
{
	const char *stream;
	uint64_t seq;
	int r = sd_bus_message_read(m, "st", &stream, &seq);

	if (r < 0)
		return set_bad_call_error(e, r);
	if (seq > INT64_MAX)
		seq = INT64_MAX;
	if (strcmp(stream, "receipts") == 0)
		r = save_acked_number(p, STORE_RECEIPT_ACKED, STORE_RECEIPT_SEQ,
				      (int64_t)seq, e);
	else if (strcmp(stream, "audit") == 0)
		r = save_acked_number(p, STORE_AUDIT_ACKED, STORE_AUDIT_SEQ,
				      (int64_t)seq, e);
	else
		r = err_set(e, EINVAL, "ack: there is no stream '%.40s'",
			    stream);
	return r < 0 ? r : send_empty_reply(m, e);
}

static int handle_resume(struct policyd *p, sd_bus_message *m, struct err *e)
{
	const void *receipt, *head;
	size_t receipt_len, head_len;
	int r = sd_bus_message_read_array(m, 'y', &receipt, &receipt_len);

	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &head, &head_len);
	if (r < 0)
		return set_bad_call_error(e, r);
	r = resume_from_server(&p->recorder, receipt, receipt_len, head,
			       head_len, e);
	return r < 0 ? r : send_empty_reply(m, e);
}

static int handle_enroll_start(struct policyd *p, sd_bus_message *m,
			       struct err *e)
{
	auto_free char *request = NULL;
	const void *spki;
	size_t len;
	int r = sd_bus_message_read_array(m, 'y', &spki, &len);

	if (r < 0)
		return set_bad_call_error(e, r);
	r = enroll_create_request(p, m, spki, len, &request, e);
	return r < 0 ? r : send_text_reply(m, request, e);
}

static int handle_enroll_finish(struct policyd *p, sd_bus_message *m,
				struct err *e)
{
	const char *answer, *failure;
	int r = sd_bus_message_read(m, "ss", &answer, &failure);

	if (r < 0)
		return set_bad_call_error(e, r);
	r = enroll_handle_answer(p, answer, failure, e);
	if (r < 0 && *answer)
		return r;
	return send_empty_reply(m, e);
}

/* ---- what people call */
static int handle_status(struct policyd *p, sd_bus_message *m, struct err *e)
{
	auto_free char *text = NULL;
	int r = status_format_json(p, &text, e);

	return r < 0 ? r : send_text_reply(m, text, e);
}

static int handle_explain(struct policyd *p, sd_bus_message *m, struct err *e)
{
	auto_free char *text = NULL;
	struct evaluate_facts facts;
	const char *vp, *cls;
	int r = sd_bus_message_read(m, "ss", &vp, &cls);

	if (r < 0)
		return set_bad_call_error(e, r);
	policyd_get_evaluate_facts(p, &facts);
	r = explain_access(&facts, vp, cls, &text, e);
	return r < 0 ? r : send_text_reply(m, text, e);
}

static int handle_unlock(struct policyd *p, sd_bus_message *m, struct err *e)
{
	const void *passcode;
	const char *vp;
	size_t len;
	int r = sd_bus_message_read(m, "s", &vp);

	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &passcode, &len);
	if (r < 0)
		return set_bad_call_error(e, r);
	return password_unlock(p, m, vp, passcode, len, e);
}

static int handle_set_passcode(struct policyd *p, sd_bus_message *m,
			       struct err *e)
{
	struct password_text old, fresh;
	const char *vp;
	int r = sd_bus_message_read(m, "s", &vp);

	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &old.data, &old.len);
	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &fresh.data, &fresh.len);
	if (r < 0)
		return set_bad_call_error(e, r);
	return password_set_passcode(p, m, vp, &old, &fresh, e);
}

static int handle_unlock_config(struct policyd *p, sd_bus_message *m,
				struct err *e)
{
	const void *password;
	const char *id;
	size_t len;
	int r = sd_bus_message_read(m, "s", &id);

	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &password, &len);
	if (r < 0)
		return set_bad_call_error(e, r);
	r = password_unlock_config(p, id, password, len, e);
	return r < 0 ? r : send_empty_reply(m, e);
}

static int handle_enroll(struct policyd *p, sd_bus_message *m, struct err *e)
{
	const char *uri;
	int r = sd_bus_message_read(m, "s", &uri);

	return r < 0 ? set_bad_call_error(e, r)
		     : enroll_begin_with_uri(p, m, uri, e);
}

static int handle_reset(struct policyd *p, sd_bus_message *m, struct err *e)
{
	return unenroll_begin(p, m, e);
}

/* ---- the table: who may call what */
static const struct bus_method {
	const char *name, *in, *out;
	unsigned int who;
	method_fn *fn;
} methods[] = {
	{ "Submit", "ay", "sss", BUS_AGENT, handle_submit },
	{ "Wants", "u", "a(ss)", BUS_AGENT, handle_wants },
	{ "PutChunk", "sh", "", BUS_AGENT, handle_put_chunk },
	{ "Receipts", "tu", "a(tay)", BUS_AGENT, handle_receipts },
	{ "Audit", "t", "ay", BUS_AGENT, handle_audit },
	{ "Ack", "st", "", BUS_AGENT, handle_ack },
	{ "Resume", "ayay", "", BUS_AGENT, handle_resume },
	{ "EnrollStart", "ay", "s", BUS_AGENT, handle_enroll_start },
	{ "EnrollFinish", "ss", "", BUS_AGENT, handle_enroll_finish },
	{ "Status", "", "s", BUS_GROUP | BUS_ROOT | BUS_AGENT, handle_status },
	{ "Explain", "ss", "s", BUS_GROUP | BUS_ROOT, handle_explain },
	{ "Unlock", "say", "", BUS_GROUP | BUS_ROOT, handle_unlock },
	{ "SetPasscode", "sayay", "", BUS_GROUP | BUS_ROOT,
	  handle_set_passcode },
	{ "UnlockConfig", "say", "", BUS_GROUP | BUS_ROOT,
	  handle_unlock_config },
	{ "Enroll", "s", "s", BUS_ROOT, handle_enroll },
	{ "Reset", "", "", BUS_ROOT, handle_reset },
};

/* A bus never gives a unique name twice, so who has been asked for once need
 * not be asked for again: the agent calls in rows. */
static int check_method_caller(struct policyd *p, sd_bus_message *m,
			       unsigned int who, struct err *e)
{
	const char *sender = sd_bus_message_get_sender(m);
	int r;

	if (sender && who == p->caller_who && !strcmp(sender, p->caller))
		return 0;
	r = bus_check_caller(m, who, e);
	if (r == 0 && sender && strlen(sender) < sizeof(p->caller)) {
		snprintf(p->caller, sizeof(p->caller), "%s", sender);
		p->caller_who = who;
	}
	return r;
}

static int on_method_call(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *name = sd_bus_message_get_member(m);
	struct policyd *p = arg;
	struct err e;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcmp(methods[i].name, name) != 0)
			continue;
		r = check_method_caller(p, m, methods[i].who, &e);
		if (r == 0)
			r = methods[i].fn(p, m, &e);
		if (r >= 0)
			return 1;
		log_info("%s: %s", name, e.text);
		return bus_reply_err(m, &e);
	}
	return 0;
}

static sd_bus_vtable *create_bus_vtable(void)
{
	const sd_bus_vtable start = SD_BUS_VTABLE_START(0);
	const sd_bus_vtable pending = SD_BUS_SIGNAL("Pending", "s", 0);
	const sd_bus_vtable end = SD_BUS_VTABLE_END;
	sd_bus_vtable *v = calloc(ARRAY_SIZE(methods) + 3, sizeof(*v));
	size_t n = 0;

	if (!v)
		return NULL;
	v[n++] = start;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		const sd_bus_vtable row = SD_BUS_METHOD(
			methods[i].name, methods[i].in, methods[i].out,
			on_method_call, SD_BUS_VTABLE_UNPRIVILEGED);

		v[n++] = row;
	}
	v[n++] = pending;
	v[n] = end;
	return v;
}

int service_open(struct policyd *p, struct err *e)
{
	int r;

	p->vtable = create_bus_vtable();
	if (!p->vtable)
		return err_oom(e, "offer " BUS_POLICY_NAME);
	r = sd_bus_add_object_vtable(p->connection->bus, NULL, BUS_POLICY_PATH,
				     BUS_POLICY_NAME, p->vtable, p);
	if (r >= 0)
		r = sd_bus_request_name(p->connection->bus, BUS_POLICY_NAME, 0);
	return r < 0 ? err_sys(e, -r, "take the name " BUS_POLICY_NAME) : 0;
}

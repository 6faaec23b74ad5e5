/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/methods.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/json.h"
#include "policyd/access/explain.h"
#include "policyd/bus/reply.h"
#include "policyd/bus/service.h"
#include "policyd/command.h"
#include "policyd/enroll.h"
#include "policyd/layer/layer_download.h"
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

/* ---- what the agent calls */
static int handle_submit(void *arg, struct service_call *c, struct err *e)
{
	struct submit_result result;
	bool refused;
	int r = submit_envelope(arg, c->bytes[0].data, c->bytes[0].len, &result,
				e);

	/* No error of the call, or the agent would hang up before what comes
	 * behind it: a command, for which room is kept. */
	if (r < 0 && e->reason == REASON_STORAGE_FULL)
		result = (struct submit_result){ "refused", *e };
	else if (r < 0)
		return r;
	refused = strcmp(result.outcome, "refused") == 0;
	return reply_send_outcome(c->reply, result.outcome,
				  refused ? err_code(&result.e) : "",
				  refused ? result.e.text : "", e);
}

static int handle_wants(void *arg, struct service_call *c, struct err *e)
{
	unsigned int max = c->max < WANTS_MAX ? c->max : WANTS_MAX;
	auto_free struct layer_download_wanted *rows =
		calloc(max + 1, sizeof(*rows));
	struct policyd *p = arg;

	if (!rows)
		return err_oom(e, "answer");
	return reply_send_wanted(
		c->reply, rows,
		layer_download_list_wanted(p->download, rows, max), e);
}

static int handle_put_chunk(void *arg, struct service_call *c, struct err *e)
{
	struct policyd *p = arg;
	int r = layer_download_receive_chunk(p->download, c->text[0], c->fd, e);

	return r < 0 ? r : reply_send_nothing(c->reply, e);
}

/* Those of one answer. */
struct receipt_list {
	struct policyd *p;
	struct reply_receipt row[COMMAND_AGAIN_MAX + 1 + RECEIPTS_MAX];
	size_t n;
};

static void free_receipt_list(struct receipt_list **l)
{
	for (size_t i = 0; *l && i < (*l)->n; i++)
		free((*l)->row[i].envelope);
	free(*l);
}

static int add_signed_receipt(void *ctx, int64_t seq, const char *payload,
			      struct err *e)
{
	struct receipt_list *l = ctx;
	int r = receipt_issuer_sign(&l->p->recorder, payload,
				    &l->row[l->n].envelope, e);

	if (r < 0)
		return r;
	l->row[l->n++].seq = seq;
	return 0;
}

/* What is numbered up to *after is gone: the receipt that says so, in front. */
static int add_gap_receipt(struct receipt_list *l, int64_t *after,
			   struct err *e)
{
	auto_free char *payload = NULL;
	int64_t seq, floor = 0;
	int r = gap_report_receipts(&l->p->recorder, *after, &seq, e);

	if (r < 0 || seq == 0)
		return r;
	r = store_get_int(l->p->store, STORE_RECEIPT_FLOOR, 0, &floor, e);
	if (r == 0)
		r = store_get_receipt(l->p->store, seq, &payload, e);
	if (r == 0)
		r = add_signed_receipt(l, seq, payload, e);
	*after = floor;
	return r;
}

/* Those whose command came again come first. */
static int add_repeated_receipts(struct receipt_list *l, int64_t after,
				 struct err *e)
{
	int64_t seq[COMMAND_AGAIN_MAX];
	unsigned int n = command_pop_repeated_receipts(l->p->commands, seq);

	for (unsigned int i = 0; i < n; i++) {
		auto_free char *payload = NULL;
		struct err ignored;
		int r;

		if (seq[i] > after || store_get_receipt(l->p->store, seq[i],
							&payload, &ignored) < 0)
			continue;
		r = add_signed_receipt(l, seq[i], payload, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_receipts_after(struct receipt_list *l, int64_t after,
			      uint32_t max, struct err *e)
{
	int r = add_repeated_receipts(l, after, e);

	if (r == 0)
		r = add_gap_receipt(l, &after, e);
	return r < 0 ? r
		     : store_each_receipt(l->p->store, after,
					  max < RECEIPTS_MAX ? max
							     : RECEIPTS_MAX,
					  add_signed_receipt, l, e);
}

static int handle_receipts(void *arg, struct service_call *c, struct err *e)
{
	AUTO(free_receipt_list)
	struct receipt_list *l = calloc(1, sizeof(*l));
	struct policyd *p = arg;
	int r;

	if (!l)
		return err_oom(e, "answer");
	l->p = p;
	r = store_sync(p->store, e);
	if (r == 0 && p->identity.key && c->number <= INT64_MAX)
		r = add_receipts_after(l, (int64_t)c->number, c->max, e);
	return r < 0 ? r : reply_send_receipts(c->reply, l->row, l->n, e);
}

static int handle_audit(void *arg, struct service_call *c, struct err *e)
{
	int64_t gap,
		after = c->number < INT64_MAX ? (int64_t)c->number : INT64_MAX;
	auto_free char *batch = NULL;
	struct policyd *p = arg;
	int r = p->identity.key ? gap_report_audit(&p->recorder, after, &gap, e)
				: 0;

	if (r == 0)
		r = audit_log_build_batch(&p->recorder, after, &batch, e);
	return r < 0 ? r
		     : reply_send_bytes(c->reply, batch ? batch : "",
					batch ? strlen(batch) : 0, e);
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

static int handle_ack(void *arg, struct service_call *c, struct err *e)
{
	int64_t seq = c->number < INT64_MAX ? (int64_t)c->number : INT64_MAX;
	const char *stream = c->text[0];
	int r;

	if (strcmp(stream, "receipts") == 0)
		r = save_acked_number(arg, STORE_RECEIPT_ACKED,
				      STORE_RECEIPT_SEQ, seq, e);
	else if (strcmp(stream, "audit") == 0)
		r = save_acked_number(arg, STORE_AUDIT_ACKED, STORE_AUDIT_SEQ,
				      seq, e);
	else
		r = err_set(e, EINVAL, "ack: there is no stream '%.40s'",
			    stream);
	return r < 0 ? r : reply_send_nothing(c->reply, e);
}

static int handle_resume(void *arg, struct service_call *c, struct err *e)
{
	const struct service_bytes *receipt = &c->bytes[0],
				   *head = &c->bytes[1];
	struct policyd *p = arg;
	int r = resume_from_server(&p->recorder, receipt->data, receipt->len,
				   head->data, head->len, e);

	return r < 0 ? r : reply_send_nothing(c->reply, e);
}

static int handle_enroll_start(void *arg, struct service_call *c, struct err *e)
{
	auto_free char *request = NULL;
	int r = enroll_create_request(arg, c->sender, c->bytes[0].data,
				      c->bytes[0].len, &request, e);

	return r < 0 ? r : reply_send_text(c->reply, request, e);
}

static int handle_enroll_finish(void *arg, struct service_call *c,
				struct err *e)
{
	const char *answer = c->text[0], *failure = c->text[1];
	int r = enroll_handle_answer(arg, answer, failure, e);

	if (r < 0 && *answer)
		return r;
	return reply_send_nothing(c->reply, e);
}

/* ---- what people call */
static int handle_status(void *arg, struct service_call *c, struct err *e)
{
	auto_free char *text = NULL;
	int r = status_format_json(arg, &text, e);

	return r < 0 ? r : reply_send_text(c->reply, text, e);
}

static int handle_explain(void *arg, struct service_call *c, struct err *e)
{
	const char *vp = c->text[0], *cls = c->text[1];
	auto_free char *text = NULL;
	struct evaluate_facts facts;
	int r;

	policyd_get_evaluate_facts(arg, &facts);
	r = explain_access(&facts, vp, cls, &text, e);
	return r < 0 ? r : reply_send_text(c->reply, text, e);
}

static int handle_unlock(void *arg, struct service_call *c, struct err *e)
{
	const struct password_text passcode = { c->bytes[0].data,
						c->bytes[0].len };

	return password_unlock(arg, &c->reply, c->text[0], &passcode, e);
}

static int handle_set_passcode(void *arg, struct service_call *c, struct err *e)
{
	const struct password_text old = { c->bytes[0].data, c->bytes[0].len };
	const struct password_text fresh = { c->bytes[1].data,
					     c->bytes[1].len };

	return password_set_passcode(arg, &c->reply, c->text[0], &old, &fresh,
				     e);
}

static int handle_unlock_config(void *arg, struct service_call *c,
				struct err *e)
{
	int r = password_unlock_config(arg, c->text[0], c->bytes[0].data,
				       c->bytes[0].len, e);

	return r < 0 ? r : reply_send_nothing(c->reply, e);
}

static int handle_enroll(void *arg, struct service_call *c, struct err *e)
{
	return enroll_begin_with_uri(arg, &c->reply, c->text[0], e);
}

static int handle_reset(void *arg, struct service_call *c, struct err *e)
{
	return unenroll_begin(arg, &c->reply, e);
}

static service_fn *const handlers[SERVICE_METHOD_COUNT] = {
	[SERVICE_SUBMIT] = handle_submit,
	[SERVICE_WANTS] = handle_wants,
	[SERVICE_PUT_CHUNK] = handle_put_chunk,
	[SERVICE_RECEIPTS] = handle_receipts,
	[SERVICE_AUDIT] = handle_audit,
	[SERVICE_ACK] = handle_ack,
	[SERVICE_RESUME] = handle_resume,
	[SERVICE_ENROLL_START] = handle_enroll_start,
	[SERVICE_ENROLL_FINISH] = handle_enroll_finish,
	[SERVICE_STATUS] = handle_status,
	[SERVICE_EXPLAIN] = handle_explain,
	[SERVICE_UNLOCK] = handle_unlock,
	[SERVICE_SET_PASSCODE] = handle_set_passcode,
	[SERVICE_UNLOCK_CONFIG] = handle_unlock_config,
	[SERVICE_ENROLL] = handle_enroll,
	[SERVICE_RESET] = handle_reset,
};

int methods_open(struct policyd *p, struct err *e)
{
	return service_open(p->connection, handlers, p, &p->service, e);
}

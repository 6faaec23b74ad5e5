/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/command.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/secure_memory.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/bus/device_client.h"
#include "policyd/cellsd_state.h"
#include "policyd/command_action.h"
#include "policyd/document/document_state.h"
#include "policyd/document/secure_time.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/pending.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/recorder.h"
#include "policyd/receipt/refusal.h"
#include "policyd/submit_result.h"
#include "policyd/vp_secret.h"

#include <string.h>

#define RUNNING_MAX 64
#define RULE_LIFE (30 * 24 * 3600)
#define RETRY_NS (UINT64_C(5) * 1000 * 1000 * 1000)

/* A command that cellsd has been given. */
struct running_command {
	struct command_queue *queue;
	struct store_command command;
	const struct command_action *action;
	json_t *details; /* of the switch that it made */
};

struct command_queue {
	struct command_queue_options o;
	const struct recorder *rec; /* of the options, as the store */
	struct store *store;
	struct running_command *running[RUNNING_MAX];
	int64_t again[COMMAND_AGAIN_MAX];
	unsigned int n_again;
	uint64_t pause_ns; /* mono: a rule failed, not before this */
};

int command_new(const struct command_queue_options *o,
		struct command_queue **ret, struct err *e)
{
	struct command_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return err_oom(e, "commands");
	q->o = *o;
	q->rec = o->recorder;
	q->store = o->recorder->store;
	*ret = q;
	return 0;
}

void command_free(struct command_queue *q)
{
	for (unsigned int i = 0; q && i < RUNNING_MAX; i++) {
		if (!q->running[i])
			continue;
		json_decref(q->running[i]->details);
		free(q->running[i]);
	}
	free(q);
}

void command_handle_device_gone(struct command_queue *q)
{
	/* Their calls are answered with an error by the bus, which ends them.
	 */
	q->pause_ns = 0;
}

/* ---- being taken */
static struct receipt_doc build_command_document(const struct store_command *j)
{
	struct receipt_doc d = {
		doc_type_name(j->type), j->id, j->version, { 0 }
	};

	memcpy(d.digest, j->digest, HASH_SIZE);
	return d;
}

int command_repeat_receipt(struct command_queue *q, const struct doc *d,
			   struct submit_result *ret, struct err *e)
{
	struct store_command j;
	int r = store_get_command(q->store, d->head.id, &j, e);

	ret->outcome = "known";
	if (r == 0 && j.receipt > 0 && q->n_again < COMMAND_AGAIN_MAX) {
		q->again[q->n_again++] = j.receipt;
		pending_signal(q->rec->pending, "receipts");
	}
	return r == -ENOENT ? 0 : r;
}

unsigned int command_pop_repeated_receipts(struct command_queue *q,
					   int64_t ret[COMMAND_AGAIN_MAX])
{
	unsigned int n = q->n_again;

	memcpy(ret, q->again, n * sizeof(*ret));
	q->n_again = 0;
	return n;
}

static int write_command_accepted(struct command_queue *q,
				  const struct store_command *j, struct err *e)
{
	return audit_log_write(q->rec, AUDIT_ACCEPTED, j->vp, NULL,
			       json_pack("{ss ss ss}", "type",
					 doc_type_name(j->type), "id", j->id,
					 "action", j->action),
			       e);
}

/* What the command carries must be for this device. */
static int check_sealed_key(struct command_queue *q,
			    const struct doc_command *c, struct err *e)
{
	auto_close int fd = -1;

	return c->sealed_key ? vp_secret_open_key(q->rec->identity, c->vp,
						  c->sealed_key,
						  c->sealed_key_len, &fd, e)
			     : 0;
}

/* 1: the VP is there or will be; 0: neither. */
static int has_vp_or_config(struct command_queue *q, const char *vp,
			    struct err *e)
{
	char state[STORE_WORD_SIZE];
	int64_t gone = 0;
	int r = store_get_vp_state(q->store, vp, state, e);

	if (r == 0)
		r = store_get_vp_gone(q->store, vp, &gone, e);
	if (r < 0)
		return r;
	return strcmp(state, "absent") != 0 ||
	       (document_set_find_config(&q->o.state->in_force, vp) && !gone);
}

/* 1: this device will never do it, and why; 0: it may. */
static int find_refusal_reason(struct command_queue *q,
			       const struct store_command *j,
			       const struct doc_command *c, struct err *why,
			       struct err *e)
{
	int r;

	if (!command_action_find(j->action)) {
		err_reason(why, REASON_AGENT_TOO_OLD,
			   "command '%s': this version cannot %s", j->id,
			   j->action);
		return 1;
	}
	r = has_vp_or_config(q, j->vp, e);
	if (r < 0)
		return r;
	if (r == 0) {
		err_reason(why, REASON_NO_SUCH_VP,
			   "command '%s': there is no VP '%s'", j->id, j->vp);
		return 1;
	}
	r = check_sealed_key(q, c, why);
	if (r == 0 || why->reason != REASON_NONE)
		return r < 0;
	*e = *why; /* trouble of our own says nothing of the key */
	return r;
}

int64_t command_get_retention(const struct secure_time *time, int64_t life)
{
	return secure_time_get_total_uptime(time, clock_boot_ns()) + life +
	       SECURE_TIME_SLACK;
}

int command_save(const struct recorder *rec, const struct store_command *j,
		 struct err *e)
{
	uint64_t now = clock_boot_ns();

	return store_put_command(
		rec->store, j, secure_time_get_greatest(rec->time, now),
		secure_time_get_total_uptime(rec->time, now), e);
}

/* The command's id is used up all the same. */
static int write_command_refusal(struct command_queue *q,
				 struct store_command *j, const struct err *why,
				 struct err *e)
{
	const struct receipt_doc d = build_command_document(j);
	const struct refusal f = { REFUSAL_SIGNER, &d, j->vp, why };
	int r = refusal_write(q->rec, &f, &j->receipt, e);

	j->done = j->is_void = true;
	/* What was only counted is looked at again when it comes again. */
	if (r < 0 || j->receipt == 0)
		return r;
	return command_save(q->rec, j, e);
}

static int save_received_command(struct command_queue *q,
				 struct store_command *j,
				 const struct doc_command *c,
				 struct submit_result *ret, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct err why;
	int r = find_refusal_reason(q, j, c, &why, e);
	bool refused = r > 0;

	if (r < 0)
		return r;
	r = store_begin(q->store, true, &tx, e);
	if (r == 0)
		r = refused ? write_command_refusal(q, j, &why, e)
			    : command_save(q->rec, j, e);
	if (r == 0 && !refused && c->sealed_key)
		r = store_put_sealed_key(q->store, j->id, c->sealed_key,
					 c->sealed_key_len, e);
	if (r == 0 && !refused)
		r = write_command_accepted(q, j, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	ret->outcome = refused ? "refused" : "accepted";
	if (refused) {
		ret->e = why;
		pending_signal(q->rec->pending, "receipts");
	}
	command_run_pending(q);
	return 0;
}

int command_receive(struct command_queue *q, const struct doc_command *c,
		    struct submit_result *ret, struct err *e)
{
	struct store_command j = { .type = DOC_COMMAND,
				   .version = c->head.version,
				   .expires = c->head.expires,
				   .keep = command_get_retention(
					   q->rec->time,
					   c->head.expires - c->head.issued),
				   .cause = "command" };

	snprintf(j.id, sizeof(j.id), "%s", c->head.id);
	memcpy(j.digest, c->head.digest, HASH_SIZE);
	snprintf(j.vp, sizeof(j.vp), "%s", c->vp);
	snprintf(j.action, sizeof(j.action), "%s", doc_action_name(c->action));
	return save_received_command(q, &j, c, ret, e);
}

int command_enforce_rule(struct command_queue *q, const char *id,
			 enum doc_action action, const char *vp,
			 const char *cause, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct store_command j = {
		.type = DOC_NONE,
		.expires = secure_time_get_confirmed(q->rec->time,
						     clock_boot_ns()) +
			   RULE_LIFE,
		.keep = command_get_retention(q->rec->time, RULE_LIFE)
	};
	int r = store_get_command(q->store, id, &j, e);

	if (r != -ENOENT)
		return r;
	snprintf(j.id, sizeof(j.id), "%s", id);
	snprintf(j.vp, sizeof(j.vp), "%s", vp);
	snprintf(j.action, sizeof(j.action), "%s", doc_action_name(action));
	snprintf(j.cause, sizeof(j.cause), "%s", cause);
	r = store_begin(q->store, true, &tx, e);
	if (r == 0)
		r = command_save(q->rec, &j, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0)
		command_run_pending(q);
	return r;
}

/* ---- being done */
static struct running_command **find_slot_for_vp(struct command_queue *q,
						 const char *id, const char *vp)
{
	struct running_command **empty = NULL;

	for (unsigned int i = 0; i < RUNNING_MAX; i++) {
		struct running_command *r = q->running[i];

		if (!r)
			empty = &q->running[i];
		else if (strcmp(r->command.id, id) == 0 ||
			 strcmp(r->command.vp, vp) == 0)
			return NULL; /* one after the other */
	}
	return empty;
}

static void free_running_command(struct running_command *r)
{
	struct command_queue *q = r->queue;

	for (unsigned int i = 0; i < RUNNING_MAX; i++)
		if (q->running[i] == r)
			q->running[i] = NULL;
	json_decref(r->details);
	free(r);
}

/* Everything that follows from an action that is done. */
static int write_command_result(struct running_command *r, json_t *details,
				int64_t *ret_seq, struct err *e)
{
	const struct store_command *j = &r->command;
	const struct receipt_doc d = build_command_document(j);
	struct command_queue *q = r->queue;
	int res = 0;

	if (r->action->ends_vp) {
		const struct doc_vp_config *c =
			document_set_find_config(&q->o.state->in_force, j->vp);

		res = store_set_vp_gone(q->store, j->vp,
					c ? c->head.version : 0, e);
	}
	if (res == 0 && r->action->state)
		res = store_set_vp_state(q->store, j->vp, r->action->state, e);
	/* a switch was recorded when it was seen */
	if (res == 0 && r->action->action != DOC_SWITCH)
		res = audit_log_write(q->rec, r->action->event, j->vp, NULL,
				      json_incref(details), e);
	if (res == 0)
		res = receipt_issuer_write(
			q->rec,
			&(struct receipt_issuer_fields){
				.type = r->action->receipt,
				.vp = j->vp,
				.document = j->type == DOC_NONE ? NULL : &d,
				.details = json_incref(details) },
			ret_seq, e);
	return res < 0 ? res
		       : store_mark_command_done(q->store, j->id, *ret_seq,
						 false, e);
}

/* What the receipt says of it. */
static json_t *build_command_details(const struct running_command *r,
				     const struct device_answer *a)
{
	json_t *not_enforced =
		cellsd_state_get_unenforced(r->queue->o.cellsd, r->command.vp);
	json_t *details;

	if (r->action->has_details)
		details = json_incref(a->details);
	else if (r->action->action == DOC_SWITCH && r->details)
		details = json_incref(r->details);
	else
		details = json_object();
	if (r->action->action == DOC_SWITCH && !r->details) {
		/* It was in front already. */
		json_object_set_new(details, "from",
				    json_string(r->command.vp));
		json_object_set_new(details, "to", json_string(r->command.vp));
		json_object_set_new(details, "ns",
				    json_integer((json_int_t)a->ns));
	}
	if (r->action->action == DOC_START && not_enforced)
		json_object_set(details, "not_enforced", not_enforced);
	json_object_set_new(details, "cause", json_string(r->command.cause));
	if (r->command.type != DOC_NONE)
		json_object_set_new(details, "command",
				    json_string(r->command.id));
	return details;
}

static int finish_command(struct running_command *r,
			  const struct device_answer *a, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	auto_json json_t *details = build_command_details(r, a);
	struct command_queue *q = r->queue;
	int64_t seq = 0;
	int res = store_begin(q->store, true, &tx, e);

	if (res == 0)
		res = write_command_result(r, details, &seq, e);
	if (res == 0)
		res = store_commit(&tx, e);
	if (res < 0)
		return res;
	if (r->action->has_id)
		device_client_forget_command(q->o.device, r->command.id);
	pending_signal(q->rec->pending, "receipts");
	if (r->action->ends_vp)
		q->o.ended(q->o.arg, doc_action_name(r->action->action));
	return 0;
}

/* cellsd will not: the command ends with a refusal. */
static int fail_command(struct command_queue *q, const struct store_command *j,
			const struct err *why, struct err *e)
{
	const struct receipt_doc d = build_command_document(j);
	const struct refusal f = { REFUSAL_ACCEPTED, &d, j->vp, why };
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t seq = 0;
	int r = store_begin(q->store, true, &tx, e);

	if (r == 0)
		r = refusal_write(q->rec, &f, &seq, e);
	if (r == 0)
		r = store_mark_command_done(q->store, j->id, seq, true, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0)
		pending_signal(q->rec->pending, "receipts");
	return r;
}

static void on_command_answer(void *arg, const struct device_answer *a)
{
	struct running_command *r = arg;
	struct command_queue *q = r->queue;
	struct err e = a->why;
	int res = 0;

	switch (a->result) {
	case DEVICE_DONE:
		res = finish_command(r, a, &e);
		break;
	case DEVICE_UNREADABLE:
		res = -EIO;
		break;
	default:
		log_warning("%s %s: %s", r->command.action, r->command.vp,
			    a->why.text);
		/* A rule goes on trying; trouble on the way is not an answer.
		 */
		if (a->result == DEVICE_REFUSED && r->command.type != DOC_NONE)
			res = fail_command(q, &r->command, &a->why, &e);
		else
			q->pause_ns = clock_mono_ns() + RETRY_NS;
		break;
	}
	if (res < 0) {
		log_error("command '%s': %s", r->command.id, e.text);
		q->pause_ns = clock_mono_ns() + RETRY_NS;
	}
	free_running_command(r);
	command_run_pending(q);
}

/* The key that the command carries, or nothing: policyd vouches, having
 * verified the command, and cellsd may have the key itself. */
static int open_unlock_key(struct running_command *r, int *ret, bool *ret_has)
{
	auto_free void *sealed = NULL;
	struct err e;
	size_t len;
	int res = store_get_sealed_key(r->queue->store, r->command.id, &sealed,
				       &len, &e);

	*ret_has = res == 0;
	if (res == 0)
		return vp_secret_open_key(r->queue->rec->identity,
					  r->command.vp, sealed, len, ret, &e);
	if (res != -ENOENT)
		return res;
	*ret = secure_memory_create_memfd("", 0);
	return *ret < 0 ? *ret : 0;
}

static int send_unlock_call(struct running_command *r,
			    const struct device_call *call)
{
	auto_close int fd = -1;
	bool has_key;
	int res = open_unlock_key(r, &fd, &has_key);

	return res < 0 ? res
		       : device_client_unlock(r->queue->o.device, r->command.vp,
					      fd, has_key, call);
}

static int send_command_call(struct running_command *r)
{
	const struct command_action *a = r->action;
	const struct device_call call = { .what = a->method,
					  .done = on_command_answer,
					  .arg = r };
	const struct device_command command = {
		.method = a->method,
		.vp = r->command.vp,
		.id = a->has_id ? r->command.id : NULL,
		.output = a->has_details	    ? DEVICE_DETAILS
			  : a->action == DOC_SWITCH ? DEVICE_NS
						    : DEVICE_NOTHING,
	};

	if (a->action == DOC_UNLOCK)
		return send_unlock_call(r, &call);
	return device_client_run_command(r->queue->o.device, &command, &call);
}

/* What cellsd was given may be done, though its answer never came: the command
 * goes on until there is one, however late that is. A disk that is too full to
 * note that keeps no command back. */
static void save_command_begun(const struct running_command *r)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct command_queue *q = r->queue;
	struct err e;
	int res;

	if (r->command.is_started)
		return;
	res = store_begin(q->store, true, &tx, &e);
	if (res == 0)
		res = store_mark_command_started(q->store, r->command.id, &e);
	if (res == 0)
		res = store_commit(&tx, &e);
	if (res < 0)
		log_error("command '%s': %s", r->command.id, e.text);
}

static void run_pending_command(struct command_queue *q,
				const struct store_command *j)
{
	struct running_command **slot = find_slot_for_vp(q, j->id, j->vp);
	struct running_command *r;
	struct err e, why;
	int res;

	if (!slot)
		return;
	if (j->type != DOC_NONE && !j->is_started &&
	    j->expires <
		    secure_time_get_confirmed(q->rec->time, clock_boot_ns())) {
		err_reason(&why, REASON_EXPIRED,
			   "command '%s' expired before it could be done",
			   j->id);
		if (fail_command(q, j, &why, &e) < 0)
			log_error("command '%s': %s", j->id, e.text);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return;
	*r = (struct running_command){ .queue = q,
				       .command = *j,
				       .action =
					       command_action_find(j->action) };
	*slot = r;
	save_command_begun(r);
	res = send_command_call(r);
	if (res < 0) {
		log_error("command '%s': %s", j->id, strerror(-res));
		free_running_command(r);
		q->pause_ns = clock_mono_ns() + RETRY_NS;
	}
}

void command_run_pending(struct command_queue *q)
{
	auto_free struct store_command *jobs =
		calloc(RUNNING_MAX, sizeof(*jobs));
	struct err e;
	int n;

	if (!jobs || !cellsd_state_is_ready(q->o.cellsd) ||
	    clock_mono_ns() < q->pause_ns)
		return;
	n = store_list_open_commands(q->store, jobs, RUNNING_MAX, &e);
	if (n < 0)
		log_error("read commands: %s", e.text);
	for (int i = 0; i < n; i++)
		run_pending_command(q, &jobs[i]);
}

/* ---- what others see happen */
int command_has_pending_receipt(struct store *store, const char *vp,
				enum receipt_type t, struct err *e)
{
	auto_free struct store_command *jobs =
		calloc(RUNNING_MAX, sizeof(*jobs));
	int n;

	if (!jobs)
		return err_oom(e, "read commands");
	n = store_list_open_commands(store, jobs, RUNNING_MAX, e);
	for (int i = 0; i < n; i++)
		if (strcmp(jobs[i].vp, vp) == 0 &&
		    command_action_passes(jobs[i].action, t))
			return 1;
	return n < 0 ? n : 0;
}

bool command_handle_switch(struct command_queue *q, const char *to,
			   json_t *details)
{
	for (unsigned int i = 0; i < RUNNING_MAX; i++) {
		struct running_command *r = q->running[i];

		if (!r || r->action->action != DOC_SWITCH ||
		    strcmp(r->command.vp, to) != 0)
			continue;
		json_decref(r->details);
		r->details = json_incref(details);
		return true;
	}
	return false;
}

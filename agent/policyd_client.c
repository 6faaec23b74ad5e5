/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/policyd_client.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>
#include <sys/queue.h>

#define CALL_SECONDS 900 /* a wipe of a large VP takes its time */
#define USEC_PER_SEC UINT64_C(1000000)

/* A call under way. */
struct call {
	LIST_ENTRY(call) next;
	struct policyd_client *policyd;
	sd_bus_slot *slot;
	const char *method;
	int (*answer)(struct policyd_client *l, struct call *c,
		      sd_bus_message *m);
	char *digest; /* of PutChunk */
};

struct policyd_client {
	sd_bus *bus;
	struct policyd_client_ops ops;
	void *user;
	bool is_present;
	sd_bus_slot *pending, *owner;
	LIST_HEAD(, call) calls;
};

static void free_pending_call(struct call *c)
{
	LIST_REMOVE(c, next);
	sd_bus_slot_unref(c->slot);
	free(c->digest);
	free(c);
}

static void cancel_all_calls(struct policyd_client *l)
{
	while (!LIST_EMPTY(&l->calls))
		free_pending_call(LIST_FIRST(&l->calls));
}

/* ---- answers */

static int handle_status_answer(struct policyd_client *l, struct call *c,
				sd_bus_message *m)
{
	const char *json;
	int r = sd_bus_message_read(m, "s", &json);

	if (r >= 0)
		l->ops.status(l->user, json);
	return r;
}

static int handle_submit_answer(struct policyd_client *l, struct call *c,
				sd_bus_message *m)
{
	const char *outcome, *reason, *text;
	int r = sd_bus_message_read(m, "sss", &outcome, &reason, &text);

	if (r >= 0)
		l->ops.submitted(l->user, outcome, reason, text);
	return r;
}

static int handle_wants_answer(struct policyd_client *l, struct call *c,
			       sd_bus_message *m)
{
	struct policyd_client_want wants[POLICYD_CLIENT_WANTS_MAX];
	size_t n = 0;
	int r = sd_bus_message_enter_container(m, 'a', "(ss)");

	while (r >= 0 && n < POLICYD_CLIENT_WANTS_MAX) {
		r = sd_bus_message_read(m, "(ss)", &wants[n].kind,
					&wants[n].digest);
		if (r <= 0)
			break;
		n++;
	}
	if (r >= 0)
		l->ops.wants(l->user, wants, n);
	return r;
}

static int read_receipt_entry(sd_bus_message *m, struct protocol_receipt *ret)
{
	const void *data;
	int r = sd_bus_message_enter_container(m, 'r', "tay");

	if (r <= 0)
		return r;
	r = sd_bus_message_read(m, "t", &ret->seq);
	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &data, &ret->len);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;
	ret->envelope = data;
	return 1;
}

static int handle_receipts_answer(struct policyd_client *l, struct call *c,
				  sd_bus_message *m)
{
	struct protocol_receipt receipts[PROTOCOL_RECEIPTS_MAX];
	size_t n = 0;
	int r = sd_bus_message_enter_container(m, 'a', "(tay)");

	while (r >= 0 && n < PROTOCOL_RECEIPTS_MAX) {
		r = read_receipt_entry(m, &receipts[n]);
		if (r <= 0)
			break;
		n++;
	}
	if (r >= 0)
		l->ops.receipts(l->user, receipts, n);
	return r;
}

static int handle_audit_answer(struct policyd_client *l, struct call *c,
			       sd_bus_message *m)
{
	const void *batch;
	size_t len;
	int r = sd_bus_message_read_array(m, 'y', &batch, &len);

	if (r >= 0)
		l->ops.audit(l->user, batch, len);
	return r;
}

static int handle_put_answer(struct policyd_client *l, struct call *c,
			     sd_bus_message *m)
{
	l->ops.taken(l->user, c->digest, NULL);
	return 0;
}

static int handle_enroll_start_answer(struct policyd_client *l, struct call *c,
				      sd_bus_message *m)
{
	const char *request;
	int r = sd_bus_message_read(m, "s", &request);

	if (r >= 0)
		l->ops.enroll(l->user, request);
	return r;
}

static int handle_enroll_finish_answer(struct policyd_client *l, struct call *c,
				       sd_bus_message *m)
{
	l->ops.enrolled(l->user, NULL);
	return 0;
}

static int handle_ack_answer(struct policyd_client *l, struct call *c,
			     sd_bus_message *m)
{
	return 0;
}

static int handle_resume_answer(struct policyd_client *l, struct call *c,
				sd_bus_message *m)
{
	l->ops.resumed(l->user);
	return 0;
}

static void report_call_error(struct policyd_client *l, const struct call *c,
			      const struct err *e)
{
	if (c->answer == handle_put_answer) {
		l->ops.taken(l->user, c->digest, e);
		return;
	}
	if (c->answer == handle_enroll_finish_answer) {
		l->ops.enrolled(l->user, e);
		return;
	}
	if (c->answer != handle_enroll_start_answer || e->reason != REASON_BUSY)
		l->ops.failed(l->user, e,
			      c->answer == handle_submit_answer ||
				      c->answer == handle_status_answer ||
				      c->answer == handle_resume_answer);
	if (c->answer == handle_enroll_start_answer)
		l->ops.enroll(l->user, NULL);
	else if (c->answer == handle_receipts_answer)
		l->ops.unfetched(l->user, PROTOCOL_RECEIPTS);
	else if (c->answer == handle_audit_answer)
		l->ops.unfetched(l->user, PROTOCOL_AUDIT);
}

static int on_call_answer(sd_bus_message *m, void *user, sd_bus_error *ignored)
{
	struct call *c = user;
	struct policyd_client *l = c->policyd;
	struct err e;
	int r = 0;

	if (!sd_bus_message_is_method_error(m, NULL)) {
		r = c->answer(l, c, m);
		if (r < 0)
			err_sys(&e, -r, "answer to %s", c->method);
	} else {
		r = bus_convert_error(sd_bus_message_get_error(m),
				      -sd_bus_message_get_errno(m), c->method,
				      &e);
	}
	if (r < 0)
		report_call_error(l, c, &e);
	free_pending_call(c);
	return 0;
}

/* ---- calls */

static int create_method_call(struct policyd_client *l, const char *method,
			      sd_bus_message **ret)
{
	return sd_bus_message_new_method_call(l->bus, ret, BUS_POLICY_NAME,
					      BUS_POLICY_PATH, BUS_POLICY_NAME,
					      method);
}

/* `r` is how the message's building went; every failure is reported. */
static void send_method_call(struct policyd_client *l, const char *method,
			     sd_bus_message *m, int r, const char *digest,
			     int (*answer)(struct policyd_client *,
					   struct call *, sd_bus_message *))
{
	struct call *c = calloc(1, sizeof(*c));
	struct err e;

	if (c) {
		c->policyd = l;
		c->method = method;
		c->answer = answer;
		LIST_INSERT_HEAD(&l->calls, c, next);
		if (digest)
			c->digest = strdup(digest);
	}
	if (!c || (digest && !c->digest))
		r = -ENOMEM;
	if (r >= 0)
		r = sd_bus_call_async(l->bus, &c->slot, m, on_call_answer, c,
				      CALL_SECONDS * USEC_PER_SEC);
	if (r >= 0)
		return;
	err_sys(&e, -r, "call %s", method);
	if (c && (!digest || c->digest))
		report_call_error(l, c, &e);
	else
		l->ops.failed(l->user, &e, true);
	if (c)
		free_pending_call(c);
}

#define MESSAGE AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL

void policyd_client_get_status(struct policyd_client *l)
{
	MESSAGE;
	int r = create_method_call(l, "Status", &m);

	send_method_call(l, "Status", m, r, NULL, handle_status_answer);
}

void policyd_client_submit(struct policyd_client *l, const char *envelope,
			   size_t len)
{
	MESSAGE;
	int r = create_method_call(l, "Submit", &m);

	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', envelope, len);
	send_method_call(l, "Submit", m, r, NULL, handle_submit_answer);
}

void policyd_client_get_wants(struct policyd_client *l)
{
	MESSAGE;
	int r = create_method_call(l, "Wants", &m);

	if (r >= 0)
		r = sd_bus_message_append(m, "u", POLICYD_CLIENT_WANTS_MAX);
	send_method_call(l, "Wants", m, r, NULL, handle_wants_answer);
}

void policyd_client_put_chunk(struct policyd_client *l, const char *digest,
			      int fd)
{
	MESSAGE;
	int r = create_method_call(l, "PutChunk", &m);

	if (r >= 0)
		r = sd_bus_message_append(m, "sh", digest, fd);
	send_method_call(l, "PutChunk", m, r, digest, handle_put_answer);
}

void policyd_client_fetch_stream(struct policyd_client *l,
				 enum protocol_stream s, uint64_t after)
{
	bool receipts = s == PROTOCOL_RECEIPTS;
	const char *method = receipts ? "Receipts" : "Audit";
	MESSAGE;
	int r = create_method_call(l, method, &m);

	if (r >= 0)
		r = sd_bus_message_append(m, "t", after);
	if (r >= 0 && receipts)
		r = sd_bus_message_append(m, "u", PROTOCOL_RECEIPTS_MAX);
	send_method_call(l, method, m, r, NULL,
			 receipts ? handle_receipts_answer
				  : handle_audit_answer);
}

void policyd_client_ack(struct policyd_client *l, enum protocol_stream s,
			uint64_t seq)
{
	MESSAGE;
	int r = create_method_call(l, "Ack", &m);

	if (r >= 0)
		r = sd_bus_message_append(m, "st", protocol_stream_name(s),
					  seq);
	send_method_call(l, "Ack", m, r, NULL, handle_ack_answer);
}

void policyd_client_resume(struct policyd_client *l, const char *receipt,
			   const char *head)
{
	MESSAGE;
	int r = create_method_call(l, "Resume", &m);

	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', receipt,
						receipt ? strlen(receipt) : 0);
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', head,
						head ? strlen(head) : 0);
	send_method_call(l, "Resume", m, r, NULL, handle_resume_answer);
}

void policyd_client_enroll_start(struct policyd_client *l, const void *spki,
				 size_t len)
{
	MESSAGE;
	int r = create_method_call(l, "EnrollStart", &m);

	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', spki, len);
	send_method_call(l, "EnrollStart", m, r, NULL,
			 handle_enroll_start_answer);
}

void policyd_client_enroll_finish(struct policyd_client *l, const char *answer,
				  const char *failure)
{
	MESSAGE;
	int r = create_method_call(l, "EnrollFinish", &m);

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", answer, failure);
	send_method_call(l, "EnrollFinish", m, r, NULL,
			 handle_enroll_finish_answer);
}

void policyd_client_cancel_session(struct policyd_client *l)
{
	struct call *c, *next;

	for (c = LIST_FIRST(&l->calls); c; c = next) {
		next = LIST_NEXT(c, next);
		if (c->answer == handle_submit_answer ||
		    c->answer == handle_wants_answer ||
		    c->answer == handle_receipts_answer ||
		    c->answer == handle_audit_answer ||
		    c->answer == handle_resume_answer)
			free_pending_call(c);
	}
}

/* ---- signals */

static int on_pending_signal(sd_bus_message *m, void *user,
			     sd_bus_error *ignored)
{
	struct policyd_client *l = user;
	const char *what;

	if (l->is_present && sd_bus_message_read(m, "s", &what) >= 0)
		l->ops.pending(l->user, what);
	return 0;
}

static void set_policyd_present(struct policyd_client *l, bool is_present)
{
	cancel_all_calls(l);
	if (l->is_present) {
		l->is_present = false;
		l->ops.present(l->user, false);
	}
	if (is_present) {
		l->is_present = true;
		l->ops.present(l->user, true);
	}
}

/* A new owner is a policyd that knows nothing of what the old one was asked. */
static int on_name_owner_changed(sd_bus_message *m, void *user,
				 sd_bus_error *ignored)
{
	const char *name, *before, *now;

	if (sd_bus_message_read(m, "sss", &name, &before, &now) >= 0)
		set_policyd_present(user, *now != '\0');
	return 0;
}

static int subscribe_to_policyd(struct policyd_client *l, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int has = 0, r;

	r = sd_bus_match_signal(l->bus, &l->pending, BUS_POLICY_NAME,
				BUS_POLICY_PATH, BUS_POLICY_NAME, "Pending",
				on_pending_signal, l);
	if (r >= 0)
		r = sd_bus_add_match(
			l->bus, &l->owner,
			"type='signal',sender='org.freedesktop.DBus',"
			"path='/org/freedesktop/DBus',"
			"interface='org.freedesktop.DBus',"
			"member='NameOwnerChanged',arg0='" BUS_POLICY_NAME "'",
			on_name_owner_changed, l);
	if (r >= 0)
		r = sd_bus_call_method(l->bus, "org.freedesktop.DBus",
				       "/org/freedesktop/DBus",
				       "org.freedesktop.DBus", "NameHasOwner",
				       NULL, &m, "s", BUS_POLICY_NAME);
	if (r >= 0)
		r = sd_bus_message_read(m, "b", &has);
	if (r < 0)
		return err_sys(e, -r, "watch %s", BUS_POLICY_NAME);
	l->is_present = has;
	return 0;
}

static int open_system_bus(struct policyd_client *l, sd_event *event,
			   struct err *e)
{
	int r;

	bus_limit_memory();
	r = bus_open(&l->bus, e);
	if (r < 0)
		return r;
	r = sd_bus_set_exit_on_disconnect(l->bus, true);
	if (r >= 0)
		r = sd_bus_attach_event(l->bus, event, 0);
	return r < 0 ? err_sys(e, -r, "system bus") : 0;
}

int policyd_client_new(sd_event *event, const struct policyd_client_ops *ops,
		       void *user, struct policyd_client **ret, struct err *e)
{
	AUTO(policyd_client_freep)
	struct policyd_client *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_oom(e, "bus");
	LIST_INIT(&l->calls);
	l->ops = *ops;
	l->user = user;
	r = open_system_bus(l, event, e);
	if (r == 0)
		r = subscribe_to_policyd(l, e);
	if (r < 0)
		return r;
	*ret = l;
	if (l->is_present)
		l->ops.present(l->user, true);
	steal(l);
	return 0;
}

void policyd_client_free(struct policyd_client *l)
{
	if (!l)
		return;
	cancel_all_calls(l);
	sd_bus_slot_unref(l->pending);
	sd_bus_slot_unref(l->owner);
	sd_bus_flush_close_unref(l->bus);
	free(l);
}

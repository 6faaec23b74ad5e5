/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/device_events.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/bus/device_signals.h"
#include "policyd/cellsd_state.h"
#include "policyd/command.h"
#include "policyd/desired_state.h"
#include "policyd/policyd.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/refusal.h"

#include <inttypes.h>
#include <string.h>

/* ---- states of VPs */
enum vp_phase { ABSENT, STOPPED, RUNNING, LOCKED };

static enum vp_phase get_state_phase(const char *state)
{
	static const struct {
		const char *state;
		enum vp_phase phase;
	} phases[] = {
		{ "installed", STOPPED },  { "stopped", STOPPED },
		{ "background", RUNNING }, { "foreground", RUNNING },
		{ "locked", LOCKED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (strcmp(phases[i].state, state) == 0)
			return phases[i].phase;
	return ABSENT;
}

/* What a change of phase is worth; the rest (installing, wiping) is not
 * reported here. */
static const struct phase_change {
	enum vp_phase from, to;
	enum receipt_type receipt;
	enum audit_event event;
} changes[] = {
	{ ABSENT, RUNNING, RECEIPT_STARTED, AUDIT_START },
	{ STOPPED, RUNNING, RECEIPT_STARTED, AUDIT_START },
	{ LOCKED, RUNNING, RECEIPT_STARTED, AUDIT_START },
	{ RUNNING, STOPPED, RECEIPT_STOPPED, AUDIT_STOP },
	{ RUNNING, LOCKED, RECEIPT_LOCKED, AUDIT_LOCK },
	{ STOPPED, LOCKED, RECEIPT_LOCKED, AUDIT_LOCK },
	{ LOCKED, STOPPED, RECEIPT_UNLOCKED, AUDIT_UNLOCK },
};

static const struct phase_change *find_phase_change(enum vp_phase from,
						    enum vp_phase to)
{
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		if (changes[i].from == from && changes[i].to == to)
			return &changes[i];
	return NULL;
}

static json_t *build_change_details(const struct policyd *p, const char *vp,
				    const struct phase_change *c,
				    const char *cause)
{
	json_t *lacks = c->receipt == RECEIPT_STARTED
				? cellsd_state_get_unenforced(p->cellsd, vp)
				: NULL;

	return json_pack("{ss sO*}", "cause", cause, "not_enforced", lacks);
}

/* The file system of a VP's data broke, or was mended; inside a transaction.
 * 1: there is a new receipt. */
static int update_vp_damage(struct policyd *p, const char *vp, bool damaged,
			    struct err *e)
{
	int r = store_set_vp_damaged(p->store, vp, damaged, e);

	if (r <= 0 || !damaged)
		return r < 0 ? r : 0;
	r = receipt_issuer_write(&p->recorder,
				 &(struct receipt_issuer_fields){
					 .type = RECEIPT_DAMAGED, .vp = vp },
				 NULL, e);
	return r < 0 ? r : 1;
}

/* One VP's new state; inside a transaction. 1: there is a new receipt. */
static int update_vp_state(struct policyd *p, const char *vp, const char *state,
			   const char *cause, struct err *e)
{
	char old[STORE_WORD_SIZE];
	const struct phase_change *c;
	int r;

	r = store_get_vp_state(p->store, vp, old, e);
	if (r < 0 || strcmp(old, state) == 0)
		return r;
	r = store_set_vp_state(p->store, vp, state, e);
	c = find_phase_change(get_state_phase(old), get_state_phase(state));
	if (r < 0 || !c)
		return r;
	/* What is damaged starts only mended. */
	if (c->receipt == RECEIPT_STARTED)
		r = update_vp_damage(p, vp, false, e);
	if (r == 0)
		r = command_has_pending_receipt(p->store, vp, c->receipt, e);
	if (r != 0)
		return r < 0 ? r : 0;
	r = audit_log_write(&p->recorder, c->event, vp, NULL,
			    json_pack("{ss}", "cause", cause), e);
	if (r == 0)
		r = receipt_issuer_write(
			&p->recorder,
			&(struct receipt_issuer_fields){
				.type = c->receipt,
				.vp = vp,
				.details =
					build_change_details(p, vp, c, cause) },
			NULL, e);
	return r < 0 ? r : 1;
}

/* With an unchanged state the cause says what happened. */
static int handle_vp_change(struct policyd *p, const char *vp,
			    const char *state, const char *cause, struct err *e)
{
	return strcmp(cause, "damaged") == 0
		       ? update_vp_damage(p, vp, true, e)
		       : update_vp_state(p, vp, state, cause, e);
}

/* List reports it again. */
static void report_missed_event(struct policyd *p, const char *what,
				const struct err *why)
{
	log_error("%s: %s", what, why->text);
	p->missed_signal = true;
}

static void on_vp_changed(void *arg, const struct device_vp_change *c)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct policyd *p = arg;
	struct err e;
	int r, is_handled = 0;

	cellsd_state_set_unenforced(p->cellsd, c->vp,
				    json_incref(c->not_enforced));
	r = store_begin(p->store, true, &tx, &e);
	if (r == 0)
		r = is_handled =
			handle_vp_change(p, c->vp, c->state, c->cause, &e);
	if (r >= 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		report_missed_event(p, "note state", &e);
	else if (is_handled)
		pending_signal(&p->pending, "receipts");
}

/* Nobody touched the VP in front for longer than its config allows. */
static void on_vp_idle(void *arg, const char *vp)
{
	struct policyd *p = arg;
	char text[DOC_ID_SIZE + 64], hex[2 * HASH_SIZE + 1], id[DOC_ID_SIZE];
	uint8_t digest[HASH_SIZE];
	struct err e;

	if (!document_set_find_config(&p->state.in_force, vp) ||
	    command_has_pending_receipt(p->store, vp, RECEIPT_LOCKED, &e) != 0)
		return;
	/* Sent again for want of an answer, it is another command. */
	snprintf(text, sizeof(text), "%s %" PRIu64, vp, clock_boot_ns());
	hash_sha256(text, strlen(text), digest);
	encoding_to_hex(digest, HASH_SIZE, hex);
	snprintf(id, sizeof(id), "idle-%.32s", hex);
	if (command_enforce_rule(p->commands, id, DOC_LOCK, vp, "idle", &e) < 0)
		log_error("idle rule of '%s': %s", vp, e.text);
}

/* ---- starts that nobody asked for, and that failed */
static int write_start_failure(struct policyd *p,
			       const struct device_start_failure *f,
			       struct err *e)
{
	enum reason reason = reason_from_code(f->code);
	int r = audit_log_write(&p->recorder, AUDIT_START, f->vp, NULL,
				json_pack("{ss ss ss}", "cause", f->cause,
					  "failed", f->code, "text", f->text),
				e);

	if (r < 0)
		return r;
	return receipt_issuer_write(
		&p->recorder,
		&(struct receipt_issuer_fields){
			.type = RECEIPT_START_FAILED,
			.reason = reason ? reason : REASON_INTERNAL,
			.vp = f->vp,
			.details = json_pack("{ss ss}", "cause", f->cause,
					     "text", f->text) },
		NULL, e);
}

static void on_start_failed(void *arg, const struct device_start_failure *f)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct policyd *p = arg;
	struct err e;
	int r = store_begin(p->store, true, &tx, &e);

	if (r == 0)
		r = write_start_failure(p, f, &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		log_error("note a failed start: %s", e.text);
	else
		pending_signal(&p->pending, "receipts");
}

/* ---- the foreground */
static int save_foreground_switch(struct policyd *p,
				  const struct device_switch *s, struct err *e)
{
	auto_json json_t *details =
		json_pack("{ss ss sI ss sI}", "from", s->from, "to", s->to,
			  "generation", (json_int_t)s->generation, "cause",
			  s->cause, "ns", (json_int_t)s->ns);
	int r = store_set_text(p->store, STORE_FRONT, s->to, e);

	if (r == 0)
		r = audit_log_write(&p->recorder, AUDIT_SWITCH, s->to, NULL,
				    json_incref(details), e);
	if (r < 0 || command_handle_switch(p->commands, s->to, details))
		return r;
	return receipt_issuer_write(&p->recorder,
				    &(struct receipt_issuer_fields){
					    .type = RECEIPT_SWITCHED,
					    .vp = s->to,
					    .details = json_incref(details) },
				    NULL, e);
}

static void on_foreground_switched(void *arg, const struct device_switch *s)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct policyd *p = arg;
	struct err e;
	int r = store_begin(p->store, true, &tx, &e);

	if (r == 0)
		r = save_foreground_switch(p, s, &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		report_missed_event(p, "note switch", &e);
	else
		pending_signal(&p->pending, "receipts");
}

/* ---- what happened while nobody listened */
static int update_listed_vp(struct policyd *p, const struct device_vp *v,
			    struct err *e)
{
	char vp[DOC_ID_SIZE], state[STORE_WORD_SIZE];
	int r;

	cellsd_state_set_unenforced(p->cellsd, v->name,
				    json_incref(v->not_enforced));
	snprintf(vp, sizeof(vp), "%s", v->name);
	snprintf(state, sizeof(state), "%s", v->state ? v->state : "absent");
	r = update_vp_state(p, vp, state, "missed", e);
	return r < 0 ? r : update_vp_damage(p, vp, v->is_damaged, e);
}

static int update_listed_vps(struct policyd *p, const struct device_vp *vps,
			     size_t n, struct err *e)
{
	auto_free char *front = NULL;
	struct device_switch s = { .from = "", .to = "", .cause = "missed" };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (vps[i].state && strcmp(vps[i].state, "foreground") == 0)
			s.to = vps[i].name;
		r = update_listed_vp(p, &vps[i], e);
	}
	if (r < 0)
		return r;
	r = store_get_text(p->store, STORE_FRONT, "", &front, e);
	if (r < 0 || strcmp(front, s.to) == 0)
		return r;
	s.from = front;
	return save_foreground_switch(p, &s, e);
}

int device_events_handle_list(struct policyd *p, const struct device_vp *vps,
			      size_t n, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int r = store_begin(p->store, true, &tx, e);

	if (r == 0)
		r = update_listed_vps(p, vps, n, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0)
		pending_signal(&p->pending, "receipts");
	return r;
}

/* ---- what was cut */
/* An audit record of each row, and *list for the receipt. */
static int write_revoked_rows(struct policyd *p,
			      const struct device_revocation *v, json_t *list,
			      struct err *e)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct device_revoked *c = &v->rows[i];
		const char *name =
			c->cls < CELLS_CLASS_COUNT ? class_name(c->cls) : NULL;
		json_t *row = json_pack(
			"{ss ss? sI sI sI}", "vp", c->vp, "class", name,
			"handles", (json_int_t)c->handles, "mappings",
			(json_int_t)c->mappings, "kept", (json_int_t)c->kept);

		if (json_array_append_new(list, row) < 0)
			return err_oom(e, "note revocation");
		if (audit_log_write(
			    &p->recorder, AUDIT_REVOKE, c->vp, name,
			    json_pack("{sI sI sI ss}", "handles",
				      (json_int_t)c->handles, "mappings",
				      (json_int_t)c->mappings, "kept",
				      (json_int_t)c->kept, "cause", v->cause),
			    e) < 0)
			return -EIO;
	}
	return 0;
}

static int write_revoked_receipt(struct policyd *p, json_t *list, uint64_t ns,
				 const char *cause, const struct receipt_doc *d,
				 struct err *e)
{
	if (json_array_size(list) == 0)
		return 0;
	return receipt_issuer_write(
		&p->recorder,
		&(struct receipt_issuer_fields){
			.type = RECEIPT_REVOKED,
			.document = d,
			.details =
				json_pack("{sO sI ss}", "revoked", list, "ns",
					  (json_int_t)ns, "cause", cause) },
		NULL, e);
}

static int handle_revoked_access(struct policyd *p,
				 const struct device_revocation *v,
				 struct err *e)
{
	auto_json json_t *list = json_array();
	int r = write_revoked_rows(p, v, list, e);

	return r < 0 ? r
		     : write_revoked_receipt(p, list, v->ns, v->cause, NULL, e);
}

static void on_access_revoked(void *arg, const struct device_revocation *v)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct policyd *p = arg;
	struct err e;
	int r = store_begin(p->store, true, &tx, &e);

	if (r == 0)
		r = handle_revoked_access(p, v, &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		log_error("note revocation: %s", e.text);
	else
		pending_signal(&p->pending, "receipts");
}

/* ---- Apply */
static struct receipt_doc get_snapshot_in_force(const struct policyd *p)
{
	struct receipt_doc d = { "snapshot", p->identity.device, 0, { 0 } };

	if (p->state.snapshot) {
		d.version = p->state.snapshot->version;
		memcpy(d.digest, p->state.snapshot->digest, HASH_SIZE);
	}
	return d;
}

/* Ids of policies that ask for more than the device can enforce. */
static json_t *list_unenforced_policies(const struct policyd *p)
{
	json_t *ids = json_array();

	for (unsigned int i = 0; ids && i < p->state.in_force.n_policies; i++)
		if (!access_is_enforced(p->state.in_force.policy[i],
					cellsd_state_get_level(p->cellsd)))
			json_array_append_new(
				ids,
				json_string(
					p->state.in_force.policy[i]->head.id));
	return ids;
}

static int write_applied_receipt(struct policyd *p,
				 const struct desired_state *d, struct err *e)
{
	const struct receipt_doc doc = get_snapshot_in_force(p);
	json_t *weak = list_unenforced_policies(p);

	return receipt_issuer_write(
		&p->recorder,
		&(struct receipt_issuer_fields){
			.type = RECEIPT_APPLIED,
			.reason = json_array_size(weak) > 0 ? REASON_ENFORCEMENT
							    : REASON_NONE,
			.document = &doc,
			.details = json_pack(
				"{so so so}", "documents",
				receipt_issuer_list_documents(&p->recorder),
				"lacking",
				desired_state_list_missing_classes(d,
								   p->cellsd),
				"not_enforced", weak) },
		NULL, e);
}

/* From the document's arrival to the kernel's switch: our part and cellsd's. */
static uint64_t get_total_latency(const struct policyd *p, uint64_t sent_ns,
				  uint64_t ns)
{
	return p->activated_ns && sent_ns > p->activated_ns
		       ? sent_ns - p->activated_ns + ns
		       : ns;
}

static int save_applied_state(struct policyd *p,
			      const struct device_events_applied *a,
			      struct err *e)
{
	const struct receipt_doc doc = get_snapshot_in_force(p);
	const char *cause = a->revocation.cause;
	auto_json json_t *list = json_array();
	uint64_t ns = a->revocation.ns;
	int64_t applying = 0;
	bool is_new;
	int r = store_get_int(p->store, STORE_APPLYING, 0, &applying, e);

	if (r == 0)
		r = write_revoked_rows(p, &a->revocation, list, e);
	if (r < 0)
		return r;
	is_new = applying && desired_state_is_current(a->state);
	if (is_new) {
		ns = get_total_latency(p, a->sent_ns, ns);
		r = write_applied_receipt(p, a->state, e);
	}
	if (r == 0)
		r = desired_state_save_applied(a->state, &p->recorder, cause,
					       e);
	return r < 0 ? r
		     : write_revoked_receipt(p, list, ns, cause,
					     is_new ? &doc : NULL, e);
}

int device_events_handle_applied(struct policyd *p,
				 const struct device_events_applied *a,
				 struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int r = store_begin(p->store, true, &tx, e);

	if (r == 0)
		r = save_applied_state(p, a, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	pending_signal(&p->pending, "receipts");
	return 0;
}

void device_events_handle_apply_error(struct policyd *p, const struct err *why)
{
	const struct receipt_doc doc = get_snapshot_in_force(p);
	struct err e;

	if (store_get_int_or_default(p->store, STORE_APPLYING, 0) &&
	    refusal_commit(
		    &p->recorder,
		    &(struct refusal){ REFUSAL_ACCEPTED, &doc, NULL, why },
		    &e) < 0)
		log_error("write receipt: %s", e.text);
}

/* ---- events for the audit */
static enum audit_event lookup_audit_event(const char *word)
{
	for (unsigned int i = 0; i < AUDIT_EVENT_COUNT; i++)
		if (strcmp(audit_event_name(i), word) == 0)
			return i;
	return AUDIT_EVENT_COUNT;
}

static int write_device_event(struct policyd *p, const struct device_event *v,
			      struct err *e)
{
	enum audit_event ev = lookup_audit_event(v->word);

	if (ev == AUDIT_EVENT_COUNT)
		return 0;
	if (ev == AUDIT_LOST)
		return audit_log_write_lost(&p->recorder, v->count, v->cause,
					    e);
	return audit_log_write(
		&p->recorder, ev, v->vp,
		v->cls < CELLS_CLASS_COUNT ? class_name(v->cls) : NULL,
		json_pack("{sI sI ss sI ss sI}", "pid", (json_int_t)v->pid,
			  "uid", (json_int_t)v->uid, "comm", v->comm, "boot_ns",
			  (json_int_t)v->boot_ns, "cause", v->cause, "count",
			  (json_int_t)v->count),
		e);
}

/* Not synced one by one: an open file is not worth a disk's turn. The next
 * receipt's commit carries them along. */
static void on_audit_event(void *arg, const struct device_event *v)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct policyd *p = arg;
	struct err e;
	int r = store_begin_bulk(p->store, false, &tx, &e);

	if (r == 0 && p->unrecorded_events > 0)
		r = audit_log_write_lost(&p->recorder, p->unrecorded_events,
					 "storage", &e);
	if (r == 0)
		r = write_device_event(p, v, &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		log_error("note event '%s': %s", v->word, e.text);
	p->unrecorded_events = r < 0 ? p->unrecorded_events + 1 : 0;
}

int device_events_subscribe(struct policyd *p, struct err *e)
{
	static const struct device_signals_handlers handlers = {
		.switched = on_foreground_switched,
		.changed = on_vp_changed,
		.event = on_audit_event,
		.revoked = on_access_revoked,
		.idle = on_vp_idle,
		.start_failed = on_start_failed,
	};

	return device_signals_new(p->connection, &handlers, p, &p->signals, e);
}

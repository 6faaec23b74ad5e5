/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/simdevice.h"

#include "agent/protocol.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/doc.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "tests/bench/simstore.h"

#include <string.h>
#include <sys/queue.h>

#define SNAPSHOT_TYPE ENVELOPE_TYPE_JSON("snapshot")
#define NOTHING                                                                \
	"sha256:0000000000000000000000000000000000000000000000000000"          \
	"000000000000"

struct receipt_line {
	STAILQ_ENTRY(receipt_line) next;
	uint64_t seq;
	char *envelope;
};

struct simdevice {
	const struct simstore_device *who;
	struct simdevice_ops ops;
	void *user;
	struct transport_peer *peer;
	struct protocol *protocol; /* NULL: not connected */
	uint64_t seq;		   /* of the last receipt */
	STAILQ_HEAD(, receipt_line) receipts;
	bool is_busy, is_resuming, asked[PROTOCOL_STREAM_COUNT];
	uint64_t after;
	char *submitted; /* an envelope that waits for its answer */
	json_t *in_force;
	char state[72];
};

static void busy(struct simdevice *d)
{
	if (d->is_busy)
		return;
	d->is_busy = true;
	d->ops.busy(d->user, d);
}

/* ---- what the protocol asks */

static void op_send(void *user, const char *text, size_t len)
{
	struct simdevice *d = user;

	transport_send(d->peer, text, len);
}

static void op_submit(void *user, const char *envelope, size_t len)
{
	struct simdevice *d = user;

	free(d->submitted);
	d->submitted = strndup(envelope, len);
	busy(d);
}

static void op_fetch(void *user, enum protocol_stream s, uint64_t after)
{
	struct simdevice *d = user;

	d->asked[s] = true;
	if (s == PROTOCOL_RECEIPTS)
		d->after = after;
	busy(d);
}

static void drop_receipts(struct simdevice *d, uint64_t up_to)
{
	struct receipt_line *l;

	while ((l = STAILQ_FIRST(&d->receipts)) && l->seq <= up_to) {
		STAILQ_REMOVE_HEAD(&d->receipts, next);
		free(l->envelope);
		free(l);
	}
}

static void op_ack(void *user, enum protocol_stream s, uint64_t seq)
{
	struct simdevice *d = user;
	bool had = !STAILQ_EMPTY(&d->receipts);

	if (s != PROTOCOL_RECEIPTS)
		return;
	/* The first one says how far an earlier run came. */
	if (seq > d->seq)
		d->seq = seq;
	drop_receipts(d, seq);
	if (had && STAILQ_EMPTY(&d->receipts))
		d->ops.acked(d->user, d);
}

static void op_resume(void *user, const char *receipt, const char *head)
{
	struct simdevice *d = user;

	d->is_resuming = true;
	busy(d);
}

static void op_nothing(void *user)
{
}

static void op_retry(void *user, unsigned int after, bool reconnect)
{
	struct simdevice *d = user;

	if (reconnect)
		transport_close(d->peer);
}

static const struct protocol_ops protocol_ops = {
	.send = op_send,
	.submit = op_submit,
	.fetch = op_fetch,
	.ack = op_ack,
	.resume = op_resume,
	.wants = op_nothing,
	.status = op_nothing,
	.retry = op_retry,
};

/* ---- receipts */

/* What happened, as a receipt says it. */
struct event {
	enum receipt_type type;
	const char *doc_type, *doc_id, *vp;
	json_int_t version;
	json_t *details; /* owned */
};

static int add_receipt(struct simdevice *d, const struct event *ev,
		       const uint8_t digest[HASH_SIZE], struct err *e)
{
	char time[ENCODING_TIME_SIZE], sha256[ENCODING_DIGEST_SIZE];
	auto_free char *payload = NULL;
	auto_json json_t *j = NULL;
	struct receipt_line *l;
	int r;

	encoding_format_time(clock_wall(), time);
	encoding_format_digest(digest, sha256);
	j = json_pack("{si ss ss ss sI ss s{ss ss sI ss} ss ss s{si ss} so}",
		      "format", 1, "type", receipt_type_name(ev->type),
		      "device", d->who->id, "epoch", d->who->epoch, "seq",
		      (json_int_t)d->seq + 1, "time", time, "document", "type",
		      ev->doc_type, "id", ev->doc_id, "version", ev->version,
		      "sha256", sha256, "enforcement", "open", "state",
		      d->state, "audit", "seq", 0, "head", NOTHING, "details",
		      ev->details);
	if (j && ev->vp)
		json_object_set_new(j, "vp", json_string(ev->vp));
	payload = j ? json_text(j) : NULL;
	l = calloc(1, sizeof(*l));
	if (!payload || !l) {
		free(l);
		return err_oom(e, "receipt");
	}
	r = envelope_make(RECEIPT_TYPE, payload, strlen(payload),
			  d->who->receipts, &l->envelope, e);
	if (r < 0) {
		free(l);
		return r;
	}
	l->seq = ++d->seq;
	STAILQ_INSERT_TAIL(&d->receipts, l, next);
	return 0;
}

static void note_state(struct simdevice *d, json_t *documents)
{
	struct receipt_doc docs[2 * DOC_VPS_MAX];
	unsigned int n = 0;
	json_t *doc;
	size_t i;

	json_array_foreach (documents, i, doc) {
		const char *digest =
			json_string_value(json_object_get(doc, "sha256"));

		if (n == ARRAY_SIZE(docs) || !digest ||
		    encoding_parse_digest(digest, docs[n].digest) < 0)
			continue;
		docs[n].type = json_string_value(json_object_get(doc, "type"));
		docs[n].id = json_string_value(json_object_get(doc, "id"));
		docs[n].version = (uint32_t)json_integer_value(
			json_object_get(doc, "version"));
		n += docs[n].type && docs[n].id;
	}
	receipt_state_digest(docs, n, d->state);
	json_decref(d->in_force);
	d->in_force = json_incref(documents);
}

static int apply_snapshot(struct simdevice *d, const struct envelope *env,
			  struct err *e)
{
	auto_json json_t *j = NULL;
	json_t *documents = NULL;
	int64_t version = 0;
	const struct json_member members[] = {
		{ "version", JSON_INTEGER, .ret = &version },
		{ "documents", JSON_ARRAY, .ret = &documents },
		{ 0 },
	};
	struct event ev = { .type = RECEIPT_APPLIED,
			    .doc_type = "snapshot",
			    .doc_id = d->who->id };
	int r = json_parse(env->payload, env->payload_len, "snapshot", &j, e);

	if (r == 0)
		r = json_read_object(j, members, false, "snapshot", e);
	if (r < 0)
		return r;
	note_state(d, documents);
	ev.version = version;
	ev.details = json_pack("{s:O, s:[], s:[]}", "documents", documents,
			       "lacking", "not_enforced");
	return add_receipt(d, &ev, env->digest, e);
}

static const enum receipt_type receipt_of[DOC_ACTION_COUNT] = {
	[DOC_START] = RECEIPT_STARTED,	     [DOC_STOP] = RECEIPT_STOPPED,
	[DOC_SWITCH] = RECEIPT_SWITCHED,     [DOC_LOCK] = RECEIPT_LOCKED,
	[DOC_UNLOCK] = RECEIPT_UNLOCKED,     [DOC_CHECKPOINT] = RECEIPT_APPLIED,
	[DOC_RESTORE] = RECEIPT_APPLIED,     [DOC_REBOOT] = RECEIPT_APPLIED,
	[DOC_WIPE] = RECEIPT_WIPED,	     [DOC_REMOVE] = RECEIPT_REMOVED,
	[DOC_ROTATE_KEYS] = RECEIPT_APPLIED,
};

static int apply_document(struct simdevice *d, const struct envelope *env,
			  struct err *e)
{
	AUTO(doc_freep) struct doc *doc = NULL;
	enum doc_type t = doc_type_from_payload_type(env->type);
	struct event ev = { .type = RECEIPT_APPLIED };
	int r;

	if (t != DOC_COMMAND && t != DOC_MEMBERSHIP)
		return 0;
	r = doc_parse(t, env->payload, env->payload_len, &doc, e);
	if (r < 0)
		return r;
	ev.doc_type = doc_type_name(t);
	ev.doc_id = doc->head.id;
	ev.version = doc->head.version;
	ev.details = json_pack("{s:s}", "command", doc->head.id);
	if (t == DOC_COMMAND) {
		const struct doc_command *c = doc_as_command(doc);

		ev.type = receipt_of[c->action];
		ev.vp = c->vp[0] ? c->vp : NULL;
	}
	return add_receipt(d, &ev, env->digest, e);
}

static void answer_submit(struct simdevice *d)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *text = steal(d->submitted);
	struct err e = { 0 };
	int r = envelope_parse(text, strlen(text), &env, &e);

	if (r == 0 && strcmp(env->type, SNAPSHOT_TYPE) == 0)
		r = apply_snapshot(d, env, &e);
	else if (r == 0)
		r = apply_document(d, env, &e);
	protocol_submitted(d->protocol, r < 0 ? "refused" : "accepted",
			   r < 0 ? err_code(&e) : "", r < 0 ? e.text : "");
	if (!STAILQ_EMPTY(&d->receipts))
		protocol_notify_pending(d->protocol, PROTOCOL_RECEIPTS);
}

static void answer_receipts(struct simdevice *d)
{
	struct protocol_receipt list[PROTOCOL_RECEIPTS_MAX];
	const struct receipt_line *l;
	size_t n = 0;

	STAILQ_FOREACH (l, &d->receipts, next)
		if (l->seq > d->after && n < ARRAY_SIZE(list))
			list[n++] = (struct protocol_receipt){
				l->seq, l->envelope, strlen(l->envelope)
			};
	protocol_send_receipts(d->protocol, list, n);
}

void simdevice_work(struct simdevice *d)
{
	d->is_busy = false;
	if (!d->protocol)
		return;
	if (d->is_resuming) {
		d->is_resuming = false;
		protocol_resumed(d->protocol);
	}
	if (d->asked[PROTOCOL_AUDIT]) {
		d->asked[PROTOCOL_AUDIT] = false;
		protocol_send_audit(d->protocol, NULL, 0);
	}
	if (d->submitted)
		answer_submit(d);
	if (d->asked[PROTOCOL_RECEIPTS]) {
		d->asked[PROTOCOL_RECEIPTS] = false;
		answer_receipts(d);
	}
}

/* ---- the connection */

static void on_opened(void *user)
{
	struct simdevice *d = user;
	auto_json json_t *inventory = json_pack("{s:s}", "model", "simulated");
	auto_json json_t *status = json_pack(
		"{s:s, s:s, s:O, s:i}", "enforcement", "open", "state",
		d->state, "documents", d->in_force, "root", 1);
	const struct protocol_device who = {
		.device = d->who->id,
		.epoch = d->who->epoch,
		.agent = PACKAGE_VERSION,
		.inventory = inventory,
		.root = 1,
	};

	d->protocol = protocol_new(&who, &protocol_ops, d);
	if (!d->protocol) {
		transport_close(d->peer);
		return;
	}
	protocol_send_hello(d->protocol, status);
	d->ops.connected(d->user, d);
}

static void on_received(void *user, const char *text, size_t len)
{
	struct simdevice *d = user;
	struct err e;

	if (d->protocol && protocol_receive(d->protocol, text, len, &e) < 0)
		transport_close(d->peer);
}

static void on_closed(void *user, const struct transport_end *end)
{
	struct simdevice *d = user;

	protocol_free(steal(d->protocol));
	memset(d->asked, 0, sizeof(d->asked));
	free(steal(d->submitted));
	d->ops.closed(d->user, d, end);
}

void simdevice_connect(struct simdevice *d)
{
	transport_open(d->peer, PROTOCOL_PATH, PROTOCOL_NAME,
		       PROTOCOL_MESSAGE_MAX);
}

bool simdevice_is_connected(const struct simdevice *d)
{
	return d->protocol;
}

int simdevice_new(struct transport *w, const struct simstore *store,
		  const struct simstore_device *who,
		  const struct simdevice_ops *ops, void *user,
		  struct simdevice **ret, struct err *e)
{
	static const struct transport_ops wire_ops = {
		.opened = on_opened,
		.received = on_received,
		.closed = on_closed,
	};
	const struct transport_identity id = {
		.host = store->host,
		.port = store->device_port,
		.ca_pem = store->ca,
		.cert_pem = who->cert,
		.key_pem = who->identity,
	};
	struct simdevice *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "device");
	STAILQ_INIT(&d->receipts);
	d->who = who;
	d->ops = *ops;
	d->user = user;
	d->in_force = json_array();
	strcpy(d->state, NOTHING);
	r = transport_peer_new(w, &id, &wire_ops, d, &d->peer, e);
	if (r < 0) {
		simdevice_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void simdevice_free(struct simdevice *d)
{
	if (!d)
		return;
	protocol_free(d->protocol);
	transport_peer_free(d->peer);
	drop_receipts(d, UINT64_MAX);
	json_decref(d->in_force);
	free(d->submitted);
	free(d);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/protocol.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"

#include <assert.h>
#include <string.h>
#include <sys/queue.h>

#define GET_MAX 256    /* documents in one message */
#define OUTCOMES 32    /* remembered for late cancels */
#define RESEND_TICKS 5 /* minutes without an acknowledgement */
#define SHA_SIZE ENCODING_DIGEST_SIZE

/* An envelope that came down and waits for policyd. */
struct queued_envelope {
	STAILQ_ENTRY(queued_envelope) next;
	char sha256[SHA_SIZE]; /* "": it could not be computed */
	bool is_snapshot;
	size_t len;
	char *envelope;
};
STAILQ_HEAD(items, queued_envelope);

/* What became of an envelope: for a cancel that comes after it. */
struct outcome {
	char sha256[SHA_SIZE];
	char word[12], reason[28], text[80];
};

struct stream {
	uint64_t acked, sent;
	bool is_greeted; /* the server sent its position after hello */
	uint64_t greeting;
	char *last;	 /* what it showed with that; NULL: nothing */
	bool is_asking;	 /* policyd is asked */
	bool is_waiting; /* sent, not acknowledged */
	bool is_owed;	 /* could not be had: at the next tick */
	bool has_more;	 /* something came meanwhile */
	unsigned int ticks;
};

struct protocol {
	struct protocol_ops ops;
	void *user;
	char *device, *epoch, *agent;
	json_t *inventory;
	json_int_t last_id;
	uint64_t root;
	bool asked_roots;

	struct items queue;
	unsigned int queued;
	size_t queued_bytes;
	bool is_submitting; /* the queue's head is with policyd */
	bool has_news;	    /* since the queue was last empty */

	struct stream stream[PROTOCOL_STREAM_COUNT];
	bool is_resumed;   /* policyd knows what the server holds */
	json_int_t get_id; /* of the get that was not answered; 0: none */
	unsigned int get_ticks;
	bool wants_again;
	json_t *useless; /* set of digests not to get before the next tick */
	struct outcome *outcome; /* OUTCOMES of them; NULL: none yet */
	unsigned int outcomes;
};

const char *protocol_stream_name(enum protocol_stream s)
{
	static const char *const names[] = { "receipts", "audit" };

	return names[s];
}

/* Takes `message` over, numbers and sends it. Returns the number, 0: too big.
 */
static json_int_t send_message(struct protocol *p, const char *type,
			       json_t *message)
{
	auto_json json_t *m = message;
	auto_free char *text = NULL;
	size_t len;

	if (!m)
		return 0;
	json_object_set_new(m, "type", json_string(type));
	json_object_set_new(m, "id", json_integer(p->last_id + 1));
	text = json_text(m);
	if (!text)
		return 0;
	len = strlen(text);
	if (len > PROTOCOL_MESSAGE_MAX)
		return 0;
	p->ops.send(p->user, text, len);
	return ++p->last_id;
}

void protocol_send_hello(struct protocol *p, json_t *status)
{
	send_message(p, "hello",
		     json_pack("{s:s, s:s, s:s, s:O, s:O, s:O*}", "device",
			       p->device, "epoch", p->epoch, "agent", p->agent,
			       "inventory", p->inventory, "status", status,
			       "holds", json_object_get(status, "holds")));
	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	protocol_notify_pending(p, PROTOCOL_AUDIT);
	p->ops.wants(p->user);
}

void protocol_send_status(struct protocol *p, json_t *status)
{
	json_t *in_force = json_object_get(status, "documents"), *doc;
	auto_json json_t *list = json_array();
	size_t i;

	json_array_foreach (in_force, i, doc)
		json_array_append_new(
			list,
			json_pack("{s:O?, s:O?, s:O?, s:b, s:b, s:n}", "type",
				  json_object_get(doc, "type"), "id",
				  json_object_get(doc, "id"), "version",
				  json_object_get(doc, "version"), "active", 1,
				  "valid", 1, "reason"));
	send_message(p, "status", json_pack("{s:O}", "documents", list));
}

void protocol_send_progress(struct protocol *p, const char *image,
			    uint64_t done, uint64_t total)
{
	send_message(p, "progress",
		     json_pack("{s:s, s:I, s:I}", "image", image, "done",
			       (json_int_t)done, "total", (json_int_t)total));
}

static void request_entries(struct protocol *p, enum protocol_stream which)
{
	struct stream *s = &p->stream[which];

	if (!p->is_resumed || s->is_asking || s->is_waiting) {
		s->has_more = true;
		return;
	}
	s->is_asking = true;
	s->has_more = s->is_owed = false;
	p->ops.fetch(p->user, which, s->acked);
}

void protocol_notify_pending(struct protocol *p, enum protocol_stream s)
{
	request_entries(p, s);
}

/* policyd answered: either something went out, or it had nothing. */
static void end_request(struct protocol *p, enum protocol_stream which,
			bool sent)
{
	struct stream *s = &p->stream[which];

	s->is_asking = false;
	s->is_waiting = sent;
	s->ticks = 0;
	if (!sent && s->has_more)
		request_entries(p, which);
}

void protocol_fetch_failed(struct protocol *p, enum protocol_stream which)
{
	p->stream[which].is_asking = false;
	p->stream[which].is_owed = true;
}

static json_t *parse_json_text(const char *text, size_t len)
{
	struct err e;
	json_t *j;

	return json_parse(text, len, "answer", &j, &e) < 0 ? NULL : j;
}

void protocol_send_receipts(struct protocol *p,
			    const struct protocol_receipt *r, size_t n)
{
	struct stream *s = &p->stream[PROTOCOL_RECEIPTS];
	auto_json json_t *list = json_array();
	size_t bytes = 0, used = 0;

	for (size_t i = 0; i < n && used < PROTOCOL_RECEIPTS_MAX; i++, used++) {
		json_t *env = parse_json_text(r[i].envelope, r[i].len);

		bytes += r[i].len + 64;
		if (!env || (used > 0 && bytes > PROTOCOL_MESSAGE_MAX - 1024)) {
			json_decref(env);
			break;
		}
		json_array_append_new(list, json_pack("{s:I, s:o}", "seq",
						      (json_int_t)r[i].seq,
						      "envelope", env));
		s->sent = r[i].seq;
	}
	end_request(p, PROTOCOL_RECEIPTS,
		    used > 0 && send_message(p, "receipt",
					     json_pack("{s:O}", "receipts",
						       list)) > 0);
}

void protocol_send_audit(struct protocol *p, const char *batch, size_t len)
{
	json_t *j = len > 0 ? parse_json_text(batch, len) : NULL;

	/* Its last seq is in the head, which only the server has to read.
	 */
	p->stream[PROTOCOL_AUDIT].sent = p->stream[PROTOCOL_AUDIT].acked + 1;
	end_request(p, PROTOCOL_AUDIT,
		    j && send_message(p, "audit",
				      json_pack("{s:o}", "batch", j)) > 0);
}

/* ---- what is lacking */

/* The server lacks it, or it was refused: asking again at once is a loop. */
static void defer_document(struct protocol *p, const char *digest)
{
	if (json_object_size(p->useless) < GET_MAX)
		json_object_set_new(p->useless, digest, json_true());
}

void protocol_get_documents(struct protocol *p, const char *const *digests,
			    size_t n)
{
	auto_json json_t *list = json_array();

	if (p->get_id) {
		p->wants_again = true;
		return;
	}
	for (size_t i = 0; i < n && json_array_size(list) < GET_MAX; i++)
		if (!json_object_get(p->useless, digests[i]))
			json_array_append_new(list, json_string(digests[i]));
	if (json_array_size(list) == 0)
		return;
	p->get_ticks = 0;
	p->get_id =
		send_message(p, "get", json_pack("{s:O}", "documents", list));
}

/* ---- envelopes that came down */

static struct queued_envelope *create_queue_item(json_t *envelope)
{
	AUTO(envelope_freep) struct envelope *parsed = NULL;
	struct queued_envelope *it = calloc(1, sizeof(*it));
	struct err e;

	if (!it)
		return NULL;
	it->envelope = json_text(envelope);
	if (!it->envelope) {
		free(it);
		return NULL;
	}
	it->len = strlen(it->envelope);
	/* policyd judges; this only finds the name to answer by. */
	if (envelope_parse(it->envelope, it->len, &parsed, &e) == 0)
		encoding_format_digest(parsed->digest, it->sha256);
	return it;
}

static void free_item(struct queued_envelope *it)
{
	free(it->envelope);
	free(it);
}

static struct queued_envelope *remove_queue_head(struct protocol *p)
{
	struct queued_envelope *it = STAILQ_FIRST(&p->queue);

	STAILQ_REMOVE_HEAD(&p->queue, next);
	p->queued--;
	p->queued_bytes -= it->len;
	return it;
}

static void submit_next_envelope(struct protocol *p)
{
	struct queued_envelope *it = STAILQ_FIRST(&p->queue);

	if (p->is_submitting)
		return;
	if (it) {
		p->is_submitting = true;
		p->ops.submit(p->user, it->envelope, it->len);
		return;
	}
	if (!p->has_news)
		return;
	p->has_news = false;
	p->ops.wants(p->user);
	p->ops.status(p->user);
}

static const struct outcome *find_outcome(const struct protocol *p,
					  const char *sha256)
{
	for (unsigned int i = 0; p->outcome && i < OUTCOMES; i++)
		if (strcmp(p->outcome[i].sha256, sha256) == 0)
			return &p->outcome[i];
	return NULL;
}

static void send_submitted(struct protocol *p, const struct outcome *o)
{
	send_message(p, "submitted",
		     json_pack("{s:s, s:s, s:s, s:s}", "sha256", o->sha256,
			       "outcome", o->word, "reason", o->reason, "text",
			       o->text));
}

/* Remembers what became of an envelope, and reports it to the server. */
static void record_outcome(struct protocol *p, const char *sha256,
			   const char *word, const char *reason,
			   const char *text)
{
	struct outcome *o;

	if (!p->outcome)
		p->outcome = calloc(OUTCOMES, sizeof(*p->outcome));
	if (!p->outcome)
		return; /* the server asks again */
	o = &p->outcome[p->outcomes++ % OUTCOMES];
	snprintf(o->sha256, sizeof(o->sha256), "%s", sha256);
	snprintf(o->word, sizeof(o->word), "%s", word);
	snprintf(o->reason, sizeof(o->reason), "%s", reason);
	snprintf(o->text, sizeof(o->text), "%s", text);
	send_submitted(p, o);
	if (!*sha256) /* nobody can ask for it by name */
		memset(o, 0, sizeof(*o));
}

static int enqueue_envelope(struct protocol *p, json_t *envelope,
			    const char *name, bool is_snapshot, struct err *e)
{
	struct queued_envelope *it = create_queue_item(envelope);
	const struct outcome *o;
	uint8_t digest[HASH_SIZE];

	if (!it)
		return err_oom(e, "an envelope from the server");
	it->is_snapshot = is_snapshot;
	/* Without a payload to name it by, the server's name has to do. */
	if (!*it->sha256 && name && encoding_parse_digest(name, digest) == 0)
		snprintf(it->sha256, sizeof(it->sha256), "%s", name);
	o = *it->sha256 ? find_outcome(p, it->sha256) : NULL;
	if (o && strcmp(o->word, "cancelled") == 0) {
		send_submitted(p, o);
		free_item(it);
		return 0;
	}
	if (p->queued == PROTOCOL_QUEUE_MAX ||
	    p->queued_bytes + it->len > PROTOCOL_QUEUE_BYTES) {
		free_item(it);
		return err_set(e, ENOBUFS,
			       "the server sent more than can be taken");
	}
	STAILQ_INSERT_TAIL(&p->queue, it, next);
	p->queued++;
	p->queued_bytes += it->len;
	submit_next_envelope(p);
	return 0;
}

/* A snapshot signed by keys of a root that we lack: ask for the chain, once. */
static void request_roots(struct protocol *p, const struct queued_envelope *it,
			  const char *reason)
{
	if (!it->is_snapshot || p->asked_roots ||
	    (strcmp(reason, "err.unknown-key") != 0 &&
	     strcmp(reason, "err.root-chain") != 0))
		return;
	p->asked_roots = true;
	send_message(p, "roots",
		     json_pack("{s:I}", "after", (json_int_t)p->root));
}

void protocol_submitted(struct protocol *p, const char *outcome,
			const char *reason, const char *text)
{
	struct queued_envelope *it;

	assert(p->is_submitting);
	it = remove_queue_head(p);
	p->is_submitting = false;
	if (strcmp(outcome, "known") != 0)
		p->has_news = true;
	if (strcmp(outcome, "refused") == 0)
		defer_document(p, it->sha256);
	record_outcome(p, it->sha256, outcome, reason, text);
	request_roots(p, it, reason);
	free_item(it);
	submit_next_envelope(p);
}

/* ---- messages from the server */

static int on_envelope_message(struct protocol *p, json_t *m, struct err *e)
{
	const char *type = NULL, *sha256 = NULL;
	json_t *envelope = NULL;
	const struct json_member members[] = {
		{ "type", JSON_STRING, .ret = &type },
		{ "envelope", JSON_OBJECT, .ret = &envelope },
		{ "sha256", JSON_STRING, true, &sha256 },
		{ 0 },
	};
	int r = json_read_object(m, members, false, "message", e);

	return r < 0 ? r
		     : enqueue_envelope(p, envelope, sha256, type[0] == 's', e);
}

static int on_documents_message(struct protocol *p, json_t *m, struct err *e)
{
	json_t *documents = NULL, *missing = NULL, *j;
	int64_t re = 0;
	const struct json_member members[] = {
		{ "documents", JSON_ARRAY, .ret = &documents },
		{ "missing", JSON_ARRAY, true, &missing },
		{ "re", JSON_INTEGER, true, &re },
		{ 0 },
	};
	size_t i;
	int r = json_read_object(m, members, false, "documents", e);

	if (r < 0)
		return r;
	json_array_foreach (missing, i, j)
		if (json_is_string(j))
			defer_document(p, json_string_value(j));
	json_array_foreach (documents, i, j) {
		if (!json_is_object(j))
			return err_set(e, EINVAL,
				       "documents: [%zu] is not an object", i);
		r = enqueue_envelope(p, j, NULL, false, e);
		if (r < 0)
			return r;
	}
	if (re == 0 || re != p->get_id)
		return 0;
	p->get_id = 0;
	if (p->wants_again) {
		p->wants_again = false;
		p->ops.wants(p->user);
	}
	return 0;
}

static int on_cancel_message(struct protocol *p, json_t *m, struct err *e)
{
	const char *sha256 = NULL;
	const struct json_member members[] = {
		{ "sha256", JSON_STRING, .ret = &sha256 },
		{ 0 },
	};
	const struct outcome *o;
	uint8_t digest[HASH_SIZE];
	struct queued_envelope *it;
	int r = json_read_object(m, members, false, "cancel", e);

	if (r < 0)
		return r;
	if (encoding_parse_digest(sha256, digest) < 0)
		return err_set(e, EINVAL, "cancel: '%.80s' is not a digest",
			       sha256);
	o = find_outcome(p, sha256);
	if (o) {
		send_submitted(p, o);
		return 0;
	}
	STAILQ_FOREACH (it, &p->queue, next)
		if (strcmp(it->sha256, sha256) == 0)
			break;
	/* What policyd already has is answered when policyd has answered. */
	if (it && it == STAILQ_FIRST(&p->queue) && p->is_submitting)
		return 0;
	if (it) {
		STAILQ_REMOVE(&p->queue, it, queued_envelope, next);
		p->queued--;
		p->queued_bytes -= it->len;
		free_item(it);
	}
	/* Remembered, so that it is not submitted if it comes after this. */
	record_outcome(p, sha256, "cancelled", "err.cancelled", "");
	return 0;
}

/*
 * The position that the server gives holds, forwards and backwards (it was
 * restored from a backup). If it does not move it refuses what comes next:
 * that is left to the tick, so that it cannot become a loop.
 */
static void apply_stream_ack(struct protocol *p, enum protocol_stream which,
			     uint64_t seq)
{
	struct stream *s = &p->stream[which];
	bool moved = seq != s->acked;

	if (seq > s->acked)
		p->ops.ack(p->user, which, seq);
	s->acked = seq;
	if (!moved && seq < s->sent)
		return;
	if (s->is_waiting || moved) {
		s->is_waiting = false;
		request_entries(p, which);
	}
}

/* A stream's first ack in a connection. Nothing is sent before policyd knows
 * both, or a device that was put back would sign numbers a second time. */
static int handle_first_ack(struct protocol *p, enum protocol_stream which,
			    uint64_t seq, json_t *last, struct err *e)
{
	struct stream *s = &p->stream[which];

	if (s->is_greeted)
		return 0;
	s->last = last ? json_text(last) : NULL;
	if (last && !s->last)
		return err_oom(e, "ack");
	s->is_greeted = true;
	s->greeting = seq;
	for (unsigned int i = 0; i < PROTOCOL_STREAM_COUNT; i++)
		if (!p->stream[i].is_greeted)
			return 0;
	p->ops.resume(p->user, p->stream[PROTOCOL_RECEIPTS].last,
		      p->stream[PROTOCOL_AUDIT].last);
	return 0;
}

void protocol_resumed(struct protocol *p)
{
	p->is_resumed = true;
	for (unsigned int i = 0; i < PROTOCOL_STREAM_COUNT; i++) {
		struct stream *s = &p->stream[i];

		free(steal(s->last));
		if (s->greeting > s->acked)
			p->ops.ack(p->user, i, s->greeting);
		s->acked = s->greeting;
		request_entries(p, i);
	}
}

static int on_ack_message(struct protocol *p, json_t *m, struct err *e)
{
	const char *name = NULL;
	json_t *last = NULL;
	int64_t seq = 0;
	const struct json_member members[] = {
		{ "stream", JSON_STRING, .ret = &name },
		{ "seq", JSON_INTEGER, .ret = &seq },
		{ "last", JSON_OBJECT, true, &last },
		{ 0 },
	};
	int r = json_read_object(m, members, false, "ack", e);

	if (r < 0)
		return r;
	if (seq < 0)
		return err_set(e, EINVAL, "ack: seq %lld", (long long)seq);
	for (unsigned int i = 0; i < PROTOCOL_STREAM_COUNT; i++) {
		if (strcmp(protocol_stream_name(i), name) != 0)
			continue;
		if (!p->is_resumed)
			return handle_first_ack(p, i, (uint64_t)seq, last, e);
		apply_stream_ack(p, i, (uint64_t)seq);
	}
	return 0;
}

static int on_retry_message(struct protocol *p, json_t *m, struct err *e)
{
	int64_t after = 0;
	bool reconnect = false;
	const struct json_member members[] = {
		{ "after", JSON_INTEGER, .ret = &after },
		{ "reconnect", JSON_TRUE, true, &reconnect },
		{ 0 },
	};
	int r = json_read_object(m, members, false, "retry", e);

	if (r < 0)
		return r;
	if (after < 0)
		after = 0;
	if (after > 86400)
		after = 86400;
	p->ops.retry(p->user, (unsigned int)after, reconnect);
	return 0;
}

static const struct {
	const char *type;
	int (*take)(struct protocol *p, json_t *m, struct err *e);
} messages[] = {
	{ "snapshot", on_envelope_message },
	{ "command", on_envelope_message },
	{ "documents", on_documents_message },
	{ "cancel", on_cancel_message },
	{ "ack", on_ack_message },
	{ "retry", on_retry_message },
};

int protocol_receive(struct protocol *p, const char *text, size_t len,
		     struct err *e)
{
	auto_json json_t *m = NULL;
	const char *type = NULL;
	const struct json_member members[] = {
		{ "type", JSON_STRING, .ret = &type },
		{ 0 },
	};
	int r;

	if (len > PROTOCOL_MESSAGE_MAX)
		return err_set(e, EFBIG, "a message of %zu bytes", len);
	r = json_parse(text, len, "message", &m, e);
	if (r == 0)
		r = json_read_object(m, members, false, "message", e);
	for (unsigned int i = 0; r == 0 && i < ARRAY_SIZE(messages); i++)
		if (strcmp(messages[i].type, type) == 0)
			return messages[i].take(p, m, e);
	return r;
}

/* ---- life */

void protocol_tick(struct protocol *p)
{
	for (unsigned int i = 0; i < PROTOCOL_STREAM_COUNT; i++) {
		struct stream *s = &p->stream[i];

		if (s->is_waiting && ++s->ticks >= RESEND_TICKS) {
			s->is_waiting = false;
			s->is_owed = true;
		}
		if (s->is_owed)
			request_entries(p, i);
	}
	if (p->get_id && ++p->get_ticks >= RESEND_TICKS)
		p->get_id = 0;
	json_object_clear(p->useless);
	if (!p->is_submitting && !p->get_id)
		p->ops.wants(p->user);
}

struct protocol *protocol_new(const struct protocol_device *d,
			      const struct protocol_ops *ops, void *user)
{
	AUTO(protocol_freep) struct protocol *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	STAILQ_INIT(&p->queue);
	p->ops = *ops;
	p->user = user;
	p->root = d->root;
	p->device = strdup(d->device);
	p->epoch = strdup(d->epoch);
	p->agent = strdup(d->agent);
	p->inventory = json_incref(d->inventory);
	p->useless = json_object();
	for (unsigned int i = 0; i < PROTOCOL_STREAM_COUNT; i++)
		p->stream[i].acked = d->acked[i];
	if (!p->device || !p->epoch || !p->agent || !p->useless)
		return NULL;
	return steal(p);
}

void protocol_free(struct protocol *p)
{
	if (!p)
		return;
	while (!STAILQ_EMPTY(&p->queue))
		free_item(remove_queue_head(p));
	for (unsigned int i = 0; i < PROTOCOL_STREAM_COUNT; i++)
		free(p->stream[i].last);
	free(p->outcome);
	json_decref(p->inventory);
	json_decref(p->useless);
	free(p->device);
	free(p->epoch);
	free(p->agent);
	free(p);
}

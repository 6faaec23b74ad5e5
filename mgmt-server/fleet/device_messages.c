/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/device_messages.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/core/alarm.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/command.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/fleet/receipt_store.h"
#include "mgmt-server/fleet/resync.h"
#include "mgmt-server/fleet/snapshot.h"
#include "mgmt-server/store/document.h"
#include "mgmt-server/store/root.h"

#include <errno.h>
#include <string.h>

#define GET_MAX 256
#define ANSWER_PART (DEVICE_CHANNEL_MESSAGE_MAX / 2)

static const struct device_messages *get_handler(const struct device_channel *c)
{
	return c->handler;
}

static struct receipt_store get_receipt_store(const struct device_channel *c)
{
	return (struct receipt_store){ c->turn, get_handler(c)->connections };
}

int device_messages_open(const struct device_messages *m, const char *device,
			 void *connection, struct device_channel **ret,
			 struct err *e)
{
	char epoch[33];
	int r = device_get_epoch(m->turn->db, device, epoch, e);

	if (r == 0)
		r = device_channel_new(m->turn, device, epoch, m, connection,
				       ret, e);
	if (r == 0)
		connections_add(m->connections, *ret);
	return r;
}

void device_messages_close(struct device_channel *c)
{
	if (c)
		connections_remove(get_handler(c)->connections, c);
	device_channel_free(c);
}

void device_messages_report_duplicate(struct device_channel *c)
{
	alarm_raise(get_handler(c)->alarms, c->device,
		    "there were two connections with its identity at once");
}

/* ---- messages down */
static int send_root_documents(struct device_channel *c, int64_t after,
			       int64_t re, struct err *e)
{
	auto_json json_t *list = NULL;
	int r = root_list_envelopes_after(c->turn->db, after, &list, e);

	if (r < 0 || (re == 0 && json_array_size(list) == 0))
		return r;
	if (root_get(get_handler(c)->root))
		c->root = root_get(get_handler(c)->root)->head.version;
	return device_channel_send(c, "documents",
				   json_pack("{s:O, s:[], s:o*}", "documents",
					     list, "missing", "re",
					     re ? json_integer(re) : NULL),
				   e);
}

int device_messages_send_snapshot(struct device_channel *c, struct err *e)
{
	auto_free char *envelope = NULL;
	bool is_new = false;
	const struct doc_root *root = root_get(get_handler(c)->root);
	int r = 0;

	/* A new root goes before what is signed under it. */
	if (root && root->head.version > c->root)
		r = send_root_documents(c, c->root, 0, e);
	if (r == 0)
		r = snapshot_get_for_device(
			get_handler(c)->snapshots, c->device, SNAPSHOT_RENEW,
			&envelope, &is_new, &c->renew_at, e);
	if (r < 0 || !is_new || !envelope)
		return r;
	return device_channel_send(
		c, "snapshot",
		json_pack("{s:o}", "envelope",
			  device_channel_parse_envelope(envelope)),
		e);
}

/* `last` may be NULL. */
static int send_stream_ack(struct device_channel *c, const char *stream,
			   uint64_t seq, json_t *last, struct err *e)
{
	return device_channel_send(c, "ack",
				   json_pack("{s:s, s:I, s:O*}", "stream",
					     stream, "seq", (json_int_t)seq,
					     "last", last),
				   e);
}

/* ---- messages up */
static int send_missing_roots(struct device_channel *c, int64_t held,
			      struct err *e)
{
	c->root = held > 0 ? (uint32_t)held : 0;
	return send_root_documents(c, held, 0, e);
}

/* How old a snapshot may be that still serves this device. */
static int64_t get_max_snapshot_age(json_t *status)
{
	const char *text =
		json_string_value(json_object_get(status, "secure_time"));
	int64_t secure;

	if (!text || encoding_parse_time(text, &secure) < 0 ||
	    clock_wall() - secure <= SNAPSHOT_LAG)
		return SNAPSHOT_RENEW;
	return SNAPSHOT_LAG;
}

/* The server's position; the device goes on from there, also backwards. */
static int send_stream_positions(struct device_channel *c, json_t *holds,
				 json_t *status, struct err *e)
{
	AUTO(receipt_store_position_fini)
	struct receipt_store_position p = { 0 };
	const struct receipt_store store = get_receipt_store(c);
	int r = receipt_store_get_position(&store, c->device, c->epoch, &p, e);

	if (r == 0)
		r = resync_compare_positions(c->turn, c->device, p.receipts,
					     p.records, holds, status, e);
	if (r == 0)
		r = send_stream_ack(c, "receipts", p.receipts, p.receipt, e);
	return r < 0 ? r : send_stream_ack(c, "audit", p.records, p.head, e);
}

static int handle_hello_message(struct device_channel *c, json_t *j,
				struct err *e)
{
	const char *device = NULL, *epoch = NULL, *agent = "";
	json_t *inventory = NULL, *status = NULL, *holds = NULL;
	const struct json_member table[] = {
		{ "device", JSON_STRING, false, &device },
		{ "epoch", JSON_STRING, false, &epoch },
		{ "agent", JSON_STRING, true, &agent },
		{ "inventory", JSON_OBJECT, true, &inventory },
		{ "status", JSON_OBJECT, true, &status },
		{ "holds", JSON_OBJECT, true, &holds },
		{ NULL },
	};
	auto_free char *envelope = NULL;
	bool is_new;
	int r = json_read_object(j, table, false, "hello", e);

	if (r < 0)
		return r;
	if (strcmp(device, c->device) != 0)
		return err_reason(e, REASON_WRONG_DEVICE, "%s says it is %.64s",
				  c->device, device);
	if (strcmp(epoch, c->epoch) != 0)
		return err_reason(e, REASON_EPOCH,
				  "%s is of epoch %s, not %.33s", c->device,
				  c->epoch, epoch);
	r = device_store_hello(c->turn->db, c->device, agent, inventory, status,
			       e);
	if (r == 0)
		r = send_stream_positions(c, holds, status, e);
	if (r == 0)
		r = send_missing_roots(c, root_get_reported_version(status), e);
	if (r == 0)
		r = snapshot_get_for_device(
			get_handler(c)->snapshots, c->device,
			get_max_snapshot_age(status), &envelope, &is_new,
			&c->renew_at, e);
	if (r == 0 && envelope)
		r = device_channel_send(
			c, "snapshot",
			json_pack("{s:o}", "envelope",
				  device_channel_parse_envelope(envelope)),
			e);
	if (r < 0)
		return r;
	c->hello = true;
	return command_send_unfinished(c->turn, c, e);
}

/* The device's own snapshot says what it may read. */
static int handle_get_message(struct device_channel *c, json_t *j,
			      struct err *e)
{
	json_t *wanted = NULL, *digest;
	int64_t re = 0;
	const struct json_member table[] = {
		{ "documents", JSON_ARRAY, false, &wanted },
		{ "id", JSON_INTEGER, true, &re },
		{ NULL },
	};
	auto_json json_t *found = json_array(), *missing = json_array();
	size_t i, size = 0;
	int r = json_read_object(j, table, false, "get", e);

	if (r < 0)
		return r;
	if (json_array_size(wanted) > GET_MAX)
		return err_set(e, EINVAL, "get: more than %d documents",
			       GET_MAX);
	json_array_foreach (wanted, i, digest) {
		auto_free char *text = NULL;
		const char *sha256 = json_string_value(digest);

		if (!sha256)
			return err_set(e, EINVAL, "get: no digest");
		r = snapshot_is_document_readable(get_handler(c)->snapshots,
						  c->device, sha256, e);
		if (r > 0)
			r = document_load_envelope(c->turn->db, sha256, &text,
						   e);
		if (r < 0 && r != -ENOENT)
			return r;
		if (!text) {
			json_array_append(missing, digest);
			continue;
		}
		size += strlen(text);
		if (size > ANSWER_PART && json_array_size(found) > 0) {
			r = device_channel_send(c, "documents",
						json_pack("{s:O, s:[], s:I}",
							  "documents", found,
							  "missing", "re", re),
						e);
			if (r < 0)
				return r;
			json_decref(found);
			found = json_array();
			size = strlen(text);
		}
		json_array_append_new(found,
				      device_channel_parse_envelope(text));
	}
	return device_channel_send(c, "documents",
				   json_pack("{s:O, s:O, s:I}", "documents",
					     found, "missing", missing, "re",
					     re),
				   e);
}

static int handle_roots_message(struct device_channel *c, json_t *j,
				struct err *e)
{
	int64_t after = 0, re = 0;
	const struct json_member table[] = {
		{ "after", JSON_INTEGER, false, &after },
		{ "id", JSON_INTEGER, true, &re },
		{ NULL },
	};
	int r = json_read_object(j, table, false, "roots", e);

	return r < 0 ? r : send_root_documents(c, after, re, e);
}

static int handle_receipt_message(struct device_channel *c, json_t *j,
				  struct err *e)
{
	json_t *list = NULL;
	const struct json_member table[] = {
		{ "receipts", JSON_ARRAY, false, &list },
		{ NULL },
	};
	const struct receipt_store store = get_receipt_store(c);
	uint64_t seq = 0;
	int r = json_read_object(j, table, false, "receipt", e);

	if (r == 0)
		r = receipt_store_add_receipts(&store, c->device, c->epoch,
					       list, &seq, e);
	return r < 0 ? r : send_stream_ack(c, "receipts", seq, NULL, e);
}

static int handle_audit_message(struct device_channel *c, json_t *j,
				struct err *e)
{
	json_t *batch = NULL;
	const struct json_member table[] = {
		{ "batch", JSON_OBJECT, false, &batch },
		{ NULL },
	};
	const struct receipt_store store = get_receipt_store(c);
	uint64_t seq = 0;
	int r = json_read_object(j, table, false, "audit", e);

	if (r == 0)
		r = receipt_store_add_audit_batch(&store, c->device, c->epoch,
						  batch, &seq, e);
	return r < 0 ? r : send_stream_ack(c, "audit", seq, NULL, e);
}

static int handle_status_message(struct device_channel *c, json_t *j,
				 struct err *e)
{
	json_t *documents = NULL;
	const struct json_member table[] = {
		{ "documents", JSON_ARRAY, false, &documents },
		{ NULL },
	};
	int r = json_read_object(j, table, false, "status", e);

	return r < 0 ? r
		     : device_store_report(c->turn->db, c->device, "documents",
					   documents, e);
}

static int handle_progress_message(struct device_channel *c, json_t *j,
				   struct err *e)
{
	const char *image = NULL;
	int64_t done = 0, total = 0;
	const struct json_member table[] = {
		{ "image", JSON_STRING, false, &image },
		{ "done", JSON_INTEGER, false, &done },
		{ "total", JSON_INTEGER, false, &total },
		{ NULL },
	};
	int r = json_read_object(j, table, false, "progress", e);

	if (r < 0)
		return r;
	return device_channel_set_progress(c, image, done, total, e);
}

static int handle_submitted_message(struct device_channel *c, json_t *j,
				    struct err *e)
{
	const char *sha256 = NULL, *outcome = NULL, *reason = NULL;
	const char *text = NULL;
	const struct json_member table[] = {
		{ "sha256", JSON_STRING, false, &sha256 },
		{ "outcome", JSON_STRING, false, &outcome },
		{ "reason", JSON_STRING, true, &reason },
		{ "text", JSON_STRING, true, &text },
		{ NULL },
	};
	int r = json_read_object(j, table, false, "submitted", e);

	return r < 0 ? r
		     : command_record_agent_outcome(c->turn, c->device, sha256,
						    outcome, reason, text, e);
}

static const struct {
	const char *type;
	int (*take)(struct device_channel *c, json_t *j, struct err *e);
	bool before_hello;
} messages[] = {
	{ "hello", handle_hello_message, true },
	{ "get", handle_get_message },
	{ "roots", handle_roots_message },
	{ "receipt", handle_receipt_message },
	{ "audit", handle_audit_message },
	{ "status", handle_status_message },
	{ "progress", handle_progress_message },
	{ "submitted", handle_submitted_message },
};

int device_messages_handle(struct device_channel *c, const char *text,
			   size_t len, struct err *e)
{
	auto_json json_t *j = NULL;
	const char *type = "";
	const struct json_member table[] = {
		{ "type", JSON_STRING, false, &type },
		{ NULL },
	};
	int r = json_parse(text, len, "message", &j, e);

	if (r == 0)
		r = json_read_object(j, table, false, "message", e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		if (strcmp(messages[i].type, type) != 0)
			continue;
		if (!c->hello && !messages[i].before_hello)
			return err_set(e, EPROTO, "%s before hello", type);
		return messages[i].take(c, j, e);
	}
	return 0; /* unknown types are ignored */
}

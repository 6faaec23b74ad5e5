/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the device channel, one a line, to a machine whose policyd says
 * yes to everything. What it sends has to be within the limits.
 */
#include "agent/protocol.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/json.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

struct world {
	struct protocol *p;
	bool is_submitting, is_asked, is_resuming;
};

static void op_send(void *user, const char *text, size_t len)
{
	if (len > PROTOCOL_MESSAGE_MAX)
		abort();
}

static void op_submit(void *user, const char *envelope, size_t len)
{
	struct world *w = user;

	if (w->is_submitting)
		abort(); /* one at a time */
	w->is_submitting = true;
}

static void op_fetch(void *user, enum protocol_stream s, uint64_t after)
{
	struct world *w = user;

	w->is_asked |= s == PROTOCOL_RECEIPTS;
}

static void op_ack(void *user, enum protocol_stream s, uint64_t seq)
{
}

static void op_resume(void *user, const char *receipt, const char *head)
{
	struct world *w = user;

	w->is_resuming = true;
}

static void op_nothing(void *user)
{
}

static void op_retry(void *user, unsigned int after, bool reconnect)
{
	if (after > 86400)
		abort();
}

static void answer(struct world *w)
{
	const struct protocol_receipt r = { 1, "{}", 2 };

	if (w->is_resuming) {
		w->is_resuming = false;
		protocol_resumed(w->p);
	}
	if (w->is_submitting) {
		w->is_submitting = false;
		protocol_submitted(w->p, "accepted", "", "");
	}
	if (w->is_asked) {
		w->is_asked = false;
		protocol_send_receipts(w->p, &r, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct protocol_ops ops = {
		.send = op_send,
		.submit = op_submit,
		.fetch = op_fetch,
		.ack = op_ack,
		.resume = op_resume,
		.wants = op_nothing,
		.status = op_nothing,
		.retry = op_retry,
	};
	auto_json json_t *empty = json_object();
	const struct protocol_device d = {
		.device = "dev-0123456789ab",
		.epoch = "",
		.agent = "",
		.inventory = empty,
	};
	struct world w = { 0 };
	const char *text = (const char *)data, *end;
	struct err e;

	w.p = protocol_new(&d, &ops, &w);
	if (!w.p)
		return 0;
	protocol_send_hello(w.p, empty);
	for (const char *stop = text + len; text < stop; text = end + 1) {
		end = memchr(text, '\n', (size_t)(stop - text));
		if (!end)
			end = stop;
		if (protocol_receive(w.p, text, (size_t)(end - text), &e) < 0)
			break;
		answer(&w);
	}
	protocol_free(w.p);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/bus/reply.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/err.h"
#include "policyd/bus/reply_internal.h"
#include "policyd/layer/layer_download.h"

#include <stdlib.h>
#include <string.h>

struct reply {
	sd_bus_message *call; /* owned */
};

struct reply *reply_new(sd_bus_message *call)
{
	struct reply *r = calloc(1, sizeof(*r));

	if (r)
		r->call = sd_bus_message_ref(call);
	return r;
}

void reply_free(struct reply *r)
{
	if (!r)
		return;
	sd_bus_message_unref(r->call);
	free(r);
}

static int check_sent(int r, struct err *e)
{
	return r < 0 ? err_sys(e, -r, "answer") : 0;
}

int reply_send_nothing(struct reply *r, struct err *e)
{
	return check_sent(sd_bus_reply_method_return(r->call, ""), e);
}

int reply_send_text(struct reply *r, const char *text, struct err *e)
{
	return check_sent(sd_bus_reply_method_return(r->call, "s", text), e);
}

int reply_send_outcome(struct reply *r, const char *outcome, const char *code,
		       const char *text, struct err *e)
{
	return check_sent(
		sd_bus_reply_method_return(r->call, "sss", outcome, code, text),
		e);
}

int reply_send_bytes(struct reply *r, const void *data, size_t len,
		     struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int res = sd_bus_message_new_method_return(r->call, &m);

	if (res >= 0)
		res = sd_bus_message_append_array(m, 'y', data, len);
	if (res >= 0)
		res = sd_bus_send(NULL, m, NULL);
	return check_sent(res, e);
}

int reply_send_wanted(struct reply *r, const struct layer_download_wanted *rows,
		      size_t n, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int res = sd_bus_message_new_method_return(r->call, &m);

	if (res >= 0)
		res = sd_bus_message_open_container(m, 'a', "(ss)");
	for (size_t i = 0; res >= 0 && i < n; i++)
		res = sd_bus_message_append(m, "(ss)", rows[i].kind,
					    rows[i].digest);
	if (res >= 0)
		res = sd_bus_message_close_container(m);
	if (res >= 0)
		res = sd_bus_send(NULL, m, NULL);
	return check_sent(res, e);
}

static int append_receipt(sd_bus_message *m, const struct reply_receipt *row)
{
	int r = sd_bus_message_open_container(m, 'r', "tay");

	if (r >= 0)
		r = sd_bus_message_append(m, "t", (uint64_t)row->seq);
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', row->envelope,
						strlen(row->envelope));
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int reply_send_receipts(struct reply *r, const struct reply_receipt *rows,
			size_t n, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int res = sd_bus_message_new_method_return(r->call, &m);

	if (res >= 0)
		res = sd_bus_message_open_container(m, 'a', "(tay)");
	for (size_t i = 0; res >= 0 && i < n; i++)
		res = append_receipt(m, &rows[i]);
	if (res >= 0)
		res = sd_bus_message_close_container(m);
	if (res >= 0)
		res = sd_bus_send(NULL, m, NULL);
	return check_sent(res, e);
}

void reply_send_error(struct reply *r, const struct err *why)
{
	bus_reply_err(r->call, why);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/channel/device_channel.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "mgmt-server/core/callbacks.h"
#include "mgmt-server/core/turn.h"

#include <errno.h>
#include <string.h>

struct device_channel_progress {
	char image[65];
	int64_t done, total;
};

int device_channel_new(struct turn *t, const char *device, const char *epoch,
		       const void *handler, void *connection,
		       struct device_channel **ret, struct err *e)
{
	AUTO(auto_freep) struct device_channel *c = calloc(1, sizeof(*c));

	if (!c)
		return err_oom(e, "open a device channel");
	if (strlen(device) >= sizeof(c->device) ||
	    strlen(epoch) >= sizeof(c->epoch))
		return err_set(e, ENOENT, "no device has that id");
	snprintf(c->device, sizeof(c->device), "%s", device);
	snprintf(c->epoch, sizeof(c->epoch), "%s", epoch);
	c->turn = t;
	c->handler = handler;
	c->connection = connection;
	c->out_end = &c->out;
	*ret = steal(c);
	return 0;
}

void device_channel_free(struct device_channel *c)
{
	if (!c)
		return;
	device_channel_drop_queued(c, 0);
	free(c->progress);
	free(c);
}

void device_channel_close(struct device_channel *c)
{
	const struct server_callbacks *edge = c->turn->edge;

	c->closing = true;
	if (edge->device_ready)
		edge->device_ready(edge->ctx, c->connection, true);
}

void device_channel_replace(struct device_channel *c)
{
	const struct server_callbacks *edge = c->turn->edge;

	device_channel_drop_queued(c, 0);
	if (edge->device_replaced)
		edge->device_replaced(edge->ctx, c->connection);
}

int device_channel_send(struct device_channel *c, const char *type, json_t *j,
			struct err *e)
{
	const struct server_callbacks *edge = c->turn->edge;
	auto_json json_t *message = j;
	auto_free char *text = NULL;
	struct device_channel_message *o;
	size_t len;

	if (!j || json_object_set_new(j, "type", json_string(type)) < 0 ||
	    json_object_set_new(j, "id", json_integer(++c->ids)) < 0)
		return err_oom(e, "send");
	text = json_text(message);
	if (!text)
		return err_oom(e, "send");
	len = strlen(text);
	if (len > DEVICE_CHANNEL_MESSAGE_MAX ||
	    c->queued + len > DEVICE_CHANNEL_QUEUE_MAX)
		return err_set(e, EOVERFLOW, "%s takes no messages", c->device);
	o = malloc(sizeof(*o) + len + 1);
	if (!o)
		return err_oom(e, "send");
	*o = (struct device_channel_message){ .turn = c->turn->number,
					      .number = c->turn->messages++,
					      .len = len };
	memcpy(o->text, text, len + 1);
	*c->out_end = o;
	c->out_end = &o->next;
	c->queued += len;
	if (edge->device_ready)
		edge->device_ready(edge->ctx, c->connection, false);
	return 0;
}

struct device_channel_message *
device_channel_peek_message(struct device_channel *c)
{
	return c->out && c->out->turn < c->turn->number ? c->out : NULL;
}

void device_channel_remove_sent(struct device_channel *c)
{
	struct device_channel_message *o = c->out;

	c->out = o->next;
	if (!c->out)
		c->out_end = &c->out;
	c->queued -= o->len;
	free(o);
}

bool device_channel_has_message(const struct device_channel *c, uint64_t turn)
{
	const struct device_channel_message *o = c->out;

	while (o && o->turn != turn)
		o = o->next;
	return o != NULL;
}

void device_channel_drop_queued(struct device_channel *c, uint64_t number)
{
	struct device_channel_message **at = &c->out;

	while (*at && (*at)->number < number)
		at = &(*at)->next;
	while (*at) {
		struct device_channel_message *o = *at;

		*at = o->next;
		c->queued -= o->len;
		free(o);
	}
	c->out_end = at;
}

json_t *device_channel_parse_envelope(const char *text)
{
	return json_from_text(text);
}

int device_channel_send_command(struct device_channel *c, const char *envelope,
				const char *sha256, struct err *e)
{
	return device_channel_send(
		c, "command",
		json_pack("{s:o, s:s}", "envelope",
			  device_channel_parse_envelope(envelope), "sha256",
			  sha256),
		e);
}

int device_channel_send_cancel(struct device_channel *c, const char *sha256,
			       struct err *e)
{
	return device_channel_send(c, "cancel",
				   json_pack("{s:s}", "sha256", sha256), e);
}

json_t *device_channel_build_progress(const struct device_channel *c)
{
	return c->progress ? json_pack("{s:s, s:I, s:I}", "image",
				       c->progress->image, "done",
				       (json_int_t)c->progress->done, "total",
				       (json_int_t)c->progress->total)
			   : json_null();
}

int device_channel_set_progress(struct device_channel *c, const char *image,
				int64_t done, int64_t total, struct err *e)
{
	if (!c->progress)
		c->progress = calloc(1, sizeof(*c->progress));
	if (!c->progress)
		return err_oom(e, "progress");
	snprintf(c->progress->image, sizeof(c->progress->image), "%s", image);
	c->progress->done = done;
	c->progress->total = total;
	return 0;
}

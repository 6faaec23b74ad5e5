/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/device_channel.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "mgmt-server/request.h"
#include "mgmt-server/server.h"

#include <errno.h>
#include <string.h>

struct devchan_progress {
	char image[65];
	int64_t done, total;
};

int devchan_new(struct server *s, const char *device, const char *epoch,
		void *connection, struct devchan **ret, struct err *e)
{
	AUTO(auto_freep) struct devchan *c = calloc(1, sizeof(*c));

	if (!c)
		return err_oom(e, "open a device channel");
	if (strlen(device) >= sizeof(c->device) ||
	    strlen(epoch) >= sizeof(c->epoch))
		return err_set(e, ENOENT, "no device has that id");
	snprintf(c->device, sizeof(c->device), "%s", device);
	snprintf(c->epoch, sizeof(c->epoch), "%s", epoch);
	c->server = s;
	c->connection = connection;
	c->out_end = &c->out;
	*ret = steal(c);
	return 0;
}

void devchan_free(struct devchan *c)
{
	if (!c)
		return;
	devchan_unsend(c, 0);
	free(c->progress);
	free(c);
}

void devchan_close(struct devchan *c)
{
	struct server_edge *edge = &c->server->edge;

	c->closing = true;
	if (edge->device_ready)
		edge->device_ready(edge->ctx, c->connection, true);
}

void devchan_replace(struct devchan *c)
{
	struct server_edge *edge = &c->server->edge;

	devchan_unsend(c, 0);
	if (edge->device_replaced)
		edge->device_replaced(edge->ctx, c->connection);
}

int devchan_send(struct devchan *c, const char *type, json_t *j, struct err *e)
{
	struct server_edge *edge = &c->server->edge;
	auto_json json_t *message = j;
	auto_free char *text = NULL;
	struct devchan_out *o;
	size_t len;

	if (!j || request_set(j, "type", json_string(type)) < 0 ||
	    request_set(j, "id", json_integer(++c->ids)) < 0)
		return err_oom(e, "send");
	text = json_text(message);
	if (!text)
		return err_oom(e, "send");
	len = strlen(text);
	if (len > DEVCHAN_MESSAGE_MAX || c->queued + len > DEVCHAN_QUEUE_MAX)
		return err_set(e, EOVERFLOW, "%s takes no messages", c->device);
	o = malloc(sizeof(*o) + len + 1);
	if (!o)
		return err_oom(e, "send");
	*o = (struct devchan_out){ .turn = c->server->turn,
				   .number = c->server->messages++,
				   .len = len };
	memcpy(o->text, text, len + 1);
	*c->out_end = o;
	c->out_end = &o->next;
	c->queued += len;
	if (edge->device_ready)
		edge->device_ready(edge->ctx, c->connection, false);
	return 0;
}

struct devchan_out *devchan_peek(struct devchan *c)
{
	return c->out && c->out->turn < c->server->turn ? c->out : NULL;
}

void devchan_sent(struct devchan *c)
{
	struct devchan_out *o = c->out;

	c->out = o->next;
	if (!c->out)
		c->out_end = &c->out;
	c->queued -= o->len;
	free(o);
}

bool devchan_has(const struct devchan *c, uint64_t turn)
{
	const struct devchan_out *o = c->out;

	while (o && o->turn != turn)
		o = o->next;
	return o != NULL;
}

void devchan_unsend(struct devchan *c, uint64_t number)
{
	struct devchan_out **at = &c->out;

	while (*at && (*at)->number < number)
		at = &(*at)->next;
	while (*at) {
		struct devchan_out *o = *at;

		*at = o->next;
		c->queued -= o->len;
		free(o);
	}
	c->out_end = at;
}

json_t *devchan_envelope(const char *text)
{
	return json_loads(text, 0, NULL);
}

int devchan_command(struct devchan *c, const char *envelope, const char *sha256,
		    struct err *e)
{
	return devchan_send(c, "command",
			    json_pack("{s:o, s:s}", "envelope",
				      devchan_envelope(envelope), "sha256",
				      sha256),
			    e);
}

int devchan_cancel(struct devchan *c, const char *sha256, struct err *e)
{
	return devchan_send(c, "cancel", json_pack("{s:s}", "sha256", sha256),
			    e);
}

json_t *devchan_progress(const struct devchan *c)
{
	return c->progress ? json_pack("{s:s, s:I, s:I}", "image",
				       c->progress->image, "done",
				       (json_int_t)c->progress->done, "total",
				       (json_int_t)c->progress->total)
			   : json_null();
}

int devchan_note(struct devchan *c, const char *image, int64_t done,
		 int64_t total, struct err *e)
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

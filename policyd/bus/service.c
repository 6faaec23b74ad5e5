/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/bus/service.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/bus/connection_internal.h"
#include "policyd/bus/reply.h"
#include "policyd/bus/reply_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct service {
	service_fn *const *handlers; /* borrowed */
	void *arg;
	sd_bus_vtable *vtable;
	sd_bus_slot *slot;
	char caller[64]; /* the last one that was let in */
	unsigned int caller_who;
};

/* ---- the table: who may call what */
static const struct bus_method {
	const char *name, *in, *out;
	unsigned int who;
} methods[SERVICE_METHOD_COUNT] = {
	[SERVICE_SUBMIT] = { "Submit", "ay", "sss", BUS_AGENT },
	[SERVICE_WANTS] = { "Wants", "u", "a(ss)", BUS_AGENT },
	[SERVICE_PUT_CHUNK] = { "PutChunk", "sh", "", BUS_AGENT },
	[SERVICE_RECEIPTS] = { "Receipts", "tu", "a(tay)", BUS_AGENT },
	[SERVICE_AUDIT] = { "Audit", "t", "ay", BUS_AGENT },
	[SERVICE_ACK] = { "Ack", "st", "", BUS_AGENT },
	[SERVICE_RESUME] = { "Resume", "ayay", "", BUS_AGENT },
	[SERVICE_ENROLL_START] = { "EnrollStart", "ay", "s", BUS_AGENT },
	[SERVICE_ENROLL_FINISH] = { "EnrollFinish", "ss", "", BUS_AGENT },
	[SERVICE_STATUS] = { "Status", "", "s",
			     BUS_GROUP | BUS_ROOT | BUS_AGENT },
	[SERVICE_EXPLAIN] = { "Explain", "ss", "s", BUS_GROUP | BUS_ROOT },
	[SERVICE_UNLOCK] = { "Unlock", "say", "", BUS_GROUP | BUS_ROOT },
	[SERVICE_SET_PASSCODE] = { "SetPasscode", "sayay", "",
				   BUS_GROUP | BUS_ROOT },
	[SERVICE_UNLOCK_CONFIG] = { "UnlockConfig", "say", "",
				    BUS_GROUP | BUS_ROOT },
	[SERVICE_ENROLL] = { "Enroll", "s", "s", BUS_ROOT },
	[SERVICE_RESET] = { "Reset", "", "", BUS_ROOT },
};

/* A bus never gives a unique name twice, so who has been asked for once need
 * not be asked for again: the agent calls in rows. */
static int check_method_caller(struct service *s, sd_bus_message *m,
			       unsigned int who, struct err *e)
{
	const char *sender = sd_bus_message_get_sender(m);
	int r;

	if (sender && who == s->caller_who && !strcmp(sender, s->caller))
		return 0;
	r = bus_check_caller(m, who, e);
	if (r == 0 && sender && strlen(sender) < sizeof(s->caller)) {
		snprintf(s->caller, sizeof(s->caller), "%s", sender);
		s->caller_who = who;
	}
	return r;
}

/* ---- calls */
/* What the table says that the method takes. */
static int read_arguments(sd_bus_message *m, const char *types,
			  struct service_call *ret)
{
	unsigned int n_texts = 0, n_bytes = 0;
	struct service_bytes *b;
	int r = 0;

	for (const char *t = types; r >= 0 && *t; t++)
		switch (*t) {
		case 's':
			r = sd_bus_message_read(m, "s", &ret->text[n_texts++]);
			break;
		case 'a':
			b = &ret->bytes[n_bytes++];
			r = sd_bus_message_read_array(m, *++t, &b->data,
						      &b->len);
			break;
		case 't':
			r = sd_bus_message_read(m, "t", &ret->number);
			break;
		case 'u':
			r = sd_bus_message_read(m, "u", &ret->max);
			break;
		default:
			r = sd_bus_message_read(m, "h", &ret->fd);
			break;
		}
	return r;
}

static int handle_call(struct service *s, enum service_method method,
		       sd_bus_message *m, struct err *e)
{
	struct service_call call = { .sender = sd_bus_message_get_sender(m),
				     .fd = -1 };
	int r = read_arguments(m, methods[method].in, &call);

	if (r < 0)
		return err_sys(e, -r, "read the call");
	call.reply = reply_new(m);
	if (!call.reply)
		return err_oom(e, "answer");
	r = s->handlers[method](s->arg, &call, e);
	reply_free(call.reply);
	return r;
}

static int on_method_call(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *name = sd_bus_message_get_member(m);
	struct service *s = arg;
	struct err e;
	int r;

	for (unsigned int i = 0; i < SERVICE_METHOD_COUNT; i++) {
		if (strcmp(methods[i].name, name) != 0)
			continue;
		r = check_method_caller(s, m, methods[i].who, &e);
		if (r == 0)
			r = handle_call(s, i, m, &e);
		if (r >= 0)
			return 1;
		log_info("%s: %s", name, e.text);
		return bus_reply_err(m, &e);
	}
	return 0;
}

static sd_bus_vtable *create_bus_vtable(void)
{
	const sd_bus_vtable start = SD_BUS_VTABLE_START(0);
	const sd_bus_vtable pending = SD_BUS_SIGNAL("Pending", "s", 0);
	const sd_bus_vtable end = SD_BUS_VTABLE_END;
	sd_bus_vtable *v = calloc(ARRAY_SIZE(methods) + 3, sizeof(*v));
	size_t n = 0;

	if (!v)
		return NULL;
	v[n++] = start;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		const sd_bus_vtable row = SD_BUS_METHOD(
			methods[i].name, methods[i].in, methods[i].out,
			on_method_call, SD_BUS_VTABLE_UNPRIVILEGED);

		v[n++] = row;
	}
	v[n++] = pending;
	v[n] = end;
	return v;
}

int service_open(struct connection *connection,
		 service_fn *const handlers[SERVICE_METHOD_COUNT], void *arg,
		 struct service **ret, struct err *e)
{
	AUTO(service_freep) struct service *s = calloc(1, sizeof(*s));
	int r;

	if (!s || !(s->vtable = create_bus_vtable()))
		return err_oom(e, "offer " BUS_POLICY_NAME);
	s->handlers = handlers;
	s->arg = arg;
	r = sd_bus_add_object_vtable(connection->bus, &s->slot, BUS_POLICY_PATH,
				     BUS_POLICY_NAME, s->vtable, s);
	if (r >= 0)
		r = sd_bus_request_name(connection->bus, BUS_POLICY_NAME, 0);
	if (r < 0)
		return err_sys(e, -r, "take the name " BUS_POLICY_NAME);
	*ret = steal(s);
	return 0;
}

void service_free(struct service *s)
{
	if (!s)
		return;
	sd_bus_slot_unref(s->slot);
	free(s->vtable);
	free(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/bus/device_client.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/bus_json.h"
#include "policyd/bus/connection_internal.h"
#include "policyd/bus/device_messages_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_USEC (UINT64_C(600) * 1000 * 1000)
#define OWNER_SIZE 64

struct device_client {
	sd_bus *bus;		/* borrowed */
	char owner[OWNER_SIZE]; /* cellsd's unique name, also after it left */
	bool is_there;
	unsigned int changes; /* of the owner */
	device_client_owner_fn *changed;
	void *arg;
};

int device_client_new(struct connection *connection, struct device_client **ret,
		      struct err *e)
{
	struct device_client *c = calloc(1, sizeof(*c));

	if (!c)
		return err_oom(e, "watch cellsd");
	c->bus = connection->bus;
	*ret = c;
	return 0;
}

void device_client_free(struct device_client *c)
{
	free(c);
}

/* ---- coming and going */
static void set_owner(struct device_client *c, const char *owner)
{
	c->is_there = *owner != '\0';
	c->changes++;
	if (c->is_there)
		snprintf(c->owner, sizeof(c->owner), "%s", owner);
	c->changed(c->arg, c->is_there);
}

static int on_owner_changed(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *name, *old, *new;
	struct device_client *c = arg;

	if (sd_bus_message_read(m, "sss", &name, &old, &new) >= 0)
		set_owner(c, new);
	return 0;
}

static int on_get_owner_answer(sd_bus_message *m, void *arg,
			       sd_bus_error *unused)
{
	struct device_client *c = arg;
	const char *owner;

	if (!c->is_there && !sd_bus_message_is_method_error(m, NULL) &&
	    sd_bus_message_read(m, "s", &owner) >= 0)
		set_owner(c, owner);
	return 0;
}

int device_client_watch(struct device_client *c,
			device_client_owner_fn *changed, void *arg,
			struct err *e)
{
	int r;

	c->changed = changed;
	c->arg = arg;
	r = sd_bus_add_match(c->bus, NULL,
			     "type='signal',sender='org.freedesktop.DBus',"
			     "interface='org.freedesktop.DBus',"
			     "member='NameOwnerChanged',"
			     "arg0='" BUS_DEVICE_NAME "'",
			     on_owner_changed, c);
	if (r >= 0)
		r = sd_bus_call_method_async(
			c->bus, NULL, "org.freedesktop.DBus",
			"/org/freedesktop/DBus", "org.freedesktop.DBus",
			"GetNameOwner", on_get_owner_answer, c, "s",
			BUS_DEVICE_NAME);
	return r < 0 ? err_sys(e, -r, "watch cellsd") : 0;
}

/* ---- answers: a reader of each kind of them */
typedef int answer_reader(sd_bus_message *m, struct device_answer *ret);

static int read_nothing(sd_bus_message *m, struct device_answer *ret)
{
	return 0;
}

static int read_inventory_answer(sd_bus_message *m, struct device_answer *ret)
{
	return device_messages_read_inventory(m, &ret->inventory);
}

static int read_layers_answer(sd_bus_message *m, struct device_answer *ret)
{
	return bus_json_read_strings(m, &ret->digests);
}

static int read_list_answer(sd_bus_message *m, struct device_answer *ret)
{
	return device_messages_read_vps(m, &ret->vps, &ret->n_vps);
}

static int read_apply_answer(sd_bus_message *m, struct device_answer *ret)
{
	int r = device_messages_read_revoked(m, &ret->revoked, &ret->n_revoked);

	return r < 0 ? r : sd_bus_message_read(m, "t", &ret->ns);
}

static int read_details(sd_bus_message *m, struct device_answer *ret)
{
	return bus_json_read_properties(m, &ret->details);
}

static int read_ns(sd_bus_message *m, struct device_answer *ret)
{
	return sd_bus_message_read(m, "t", &ret->ns);
}

static void device_answer_fini(struct device_answer *a)
{
	json_decref(a->inventory.classes);
	json_decref(a->digests);
	json_decref(a->details);
	device_messages_free_vps(a->vps, a->n_vps);
	free(a->revoked);
}

/* ---- calls */
struct pending_call {
	struct device_client *client;
	struct device_call call;
	answer_reader *read;
	unsigned int changes; /* of the owner, when it was sent */
};

static bool is_own_error(const sd_bus_error *error)
{
	static const char ours[] = "org.cells.Error.";

	return error->name && strncmp(error->name, ours, sizeof(ours) - 1) == 0;
}

static void read_answer(const struct pending_call *p, sd_bus_message *m,
			struct device_answer *ret)
{
	const sd_bus_error *error = sd_bus_message_get_error(m);
	int r;

	if (error) {
		ret->result =
			is_own_error(error) ? DEVICE_REFUSED : DEVICE_FAILED;
		bus_convert_error(error, 0, p->call.what, &ret->why);
		return;
	}
	r = p->read(m, ret);
	if (r >= 0)
		return;
	ret->result = DEVICE_UNREADABLE;
	err_sys(&ret->why, -r, "%s", p->call.what);
}

static int on_answer(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	AUTO(device_answer_fini) struct device_answer a = { DEVICE_DONE };
	const struct pending_call *p = arg;

	if (!p->call.done ||
	    (p->call.of_this_cellsd && p->changes != p->client->changes))
		return 0;
	read_answer(p, m, &a);
	p->call.done(p->call.arg, &a);
	return 0;
}

static int new_message(struct device_client *c, const char *method,
		       sd_bus_message **ret)
{
	/*
	 * By its unique name: the well-known one may already be the next
	 * cellsd's, which has not been sent yet what is in force.
	 */
	const char *owner = *c->owner ? c->owner : BUS_DEVICE_NAME;

	return sd_bus_message_new_method_call(
		c->bus, ret, owner, BUS_DEVICE_PATH, BUS_DEVICE_NAME, method);
}

static int send_message(struct device_client *c, sd_bus_message *m,
			answer_reader *read, const struct device_call *call)
{
	auto_free struct pending_call *p = calloc(1, sizeof(*p));
	sd_bus_slot *slot;
	int r;

	if (!p)
		return -ENOMEM;
	*p = (struct pending_call){ c, *call, read, c->changes };
	/* It is started by the system, never by us. */
	sd_bus_message_set_auto_start(m, 0);
	r = sd_bus_call_async(c->bus, &slot, m, on_answer, p, CALL_USEC);
	if (r < 0)
		return r;
	/* The bus frees it with the slot, after the answer or at its end. */
	sd_bus_slot_set_destroy_callback(slot, free);
	steal(p);
	sd_bus_slot_set_floating(slot, true);
	sd_bus_slot_unref(slot);
	return 0;
}

/* A call whose arguments are simple. */
static int send_call(struct device_client *c, const char *method,
		     answer_reader *read, const struct device_call *call,
		     const char *types, ...)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = new_message(c, method, &m);
	va_list ap;

	if (r < 0)
		return r;
	va_start(ap, types);
	r = sd_bus_message_appendv(m, types, ap);
	va_end(ap);
	return r < 0 ? r : send_message(c, m, read, call);
}

int device_client_get_inventory(struct device_client *c,
				const struct device_call *call)
{
	return send_call(c, "Inventory", read_inventory_answer, call, "");
}

int device_client_list_layers(struct device_client *c,
			      const struct device_call *call)
{
	return send_call(c, "Layers", read_layers_answer, call, "");
}

int device_client_list_vps(struct device_client *c,
			   const struct device_call *call)
{
	return send_call(c, "List", read_list_answer, call, "");
}

int device_client_apply(struct device_client *c, const struct device_state *s,
			const struct device_call *call)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = new_message(c, "Apply", &m);

	if (r >= 0)
		r = device_messages_write_state(m, s);
	return r < 0 ? r : send_message(c, m, read_apply_answer, call);
}

int device_client_give_layer(struct device_client *c, const char *digest,
			     int fd, const struct device_call *call)
{
	return send_call(c, "Layer", read_nothing, call, "sh", digest, fd);
}

int device_client_drop_layer(struct device_client *c, const char *digest,
			     const struct device_call *call)
{
	return send_call(c, "DropLayer", read_nothing, call, "s", digest);
}

int device_client_run_command(struct device_client *c,
			      const struct device_command *command,
			      const struct device_call *call)
{
	static answer_reader *const readers[] = {
		[DEVICE_NOTHING] = read_nothing,
		[DEVICE_DETAILS] = read_details,
		[DEVICE_NS] = read_ns,
	};

	return send_call(c, command->method, readers[command->output], call,
			 command->id ? "ss" : "s", command->vp, command->id);
}

void device_client_forget_command(struct device_client *c, const char *id)
{
	const struct device_call ignored = { NULL };

	send_call(c, "Forget", read_nothing, &ignored, "s", id);
}

int device_client_unlock(struct device_client *c, const char *vp, int fd,
			 bool is_key, const struct device_call *call)
{
	return send_call(c, is_key ? "UnlockByKey" : "Unlock", read_nothing,
			 call, "sh", vp, fd);
}

int device_client_set_passcode(struct device_client *c, const char *vp,
			       int old_fd, int new_fd,
			       const struct device_call *call)
{
	return send_call(c, "SetPasscode", read_nothing, call, "shh", vp,
			 old_fd, new_fd);
}

int device_client_send_secrets(struct device_client *c, const char *vp, int fd,
			       const struct device_call *call)
{
	return send_call(c, "Secrets", read_nothing, call, "sh", vp, fd);
}

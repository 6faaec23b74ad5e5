/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/cellsd_client.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/class.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/store/store.h"

#include <errno.h>
#include <string.h>

#define CALL_USEC (UINT64_C(600) * 1000 * 1000)
#define OWNER_SIZE 64

struct cellsd_client {
	sd_bus *bus; /* borrowed, as the store */
	struct store *store;
	bool is_present, is_ready;
	enum doc_level level;
	char backend[16];
	char owner[OWNER_SIZE]; /* its unique name on the bus */
	json_t *classes;	/* name -> nodes */
	json_t *lacks;		/* VP -> what is not enforced of it */
	json_t *given; /* digests of layers that cellsd holds, as keys */
};

/* ---- calls */
int cellsd_client_new_message(struct cellsd_client *client, const char *method,
			      sd_bus_message **ret)
{
	/*
	 * By its unique name: the well-known one may already be the next
	 * cellsd's, which has not been sent yet what is in force.
	 */
	const char *owner = *client->owner ? client->owner : BUS_DEVICE_NAME;

	return sd_bus_message_new_method_call(client->bus, ret, owner,
					      BUS_DEVICE_PATH, BUS_DEVICE_NAME,
					      method);
}

int cellsd_client_call_slot(struct cellsd_client *client, sd_bus_message *m,
			    sd_bus_message_handler_t handler, void *arg,
			    sd_bus_slot **ret)
{
	/* It is started by the system, never by us. */
	sd_bus_message_set_auto_start(m, 0);
	return sd_bus_call_async(client->bus, ret, m, handler, arg, CALL_USEC);
}

int cellsd_client_call_async(struct cellsd_client *client, sd_bus_message *m,
			     sd_bus_message_handler_t handler, void *arg)
{
	return cellsd_client_call_slot(client, m, handler, arg, NULL);
}

bool cellsd_client_is_own_error(const sd_bus_error *error)
{
	static const char ours[] = "org.cells.Error.";

	return error && error->name &&
	       strncmp(error->name, ours, sizeof(ours) - 1) == 0;
}

static int read_basic_value(sd_bus_message *m, const char *type, json_t **ret)
{
	union {
		const char *s;
		uint32_t u;
		int32_t i;
		uint64_t t;
		int64_t x;
		int b;
	} v;
	int r = sd_bus_message_read_basic(m, *type, &v);

	if (r < 0)
		return r;
	switch (*type) {
	case 's':
		*ret = json_string(v.s);
		break;
	case 'u':
		*ret = json_integer(v.u);
		break;
	case 'i':
		*ret = json_integer(v.i);
		break;
	case 't':
		*ret = json_integer((json_int_t)v.t);
		break;
	case 'x':
		*ret = json_integer(v.x);
		break;
	default:
		*ret = json_boolean(v.b);
		break;
	}
	return *ret ? 0 : -ENOMEM;
}

int cellsd_client_read_string_list(sd_bus_message *m, json_t **ret)
{
	auto_json json_t *list = json_array();
	const char *s;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	while (r >= 0 && (r = sd_bus_message_read(m, "s", &s)) > 0)
		if (json_array_append_new(list, json_string(s)) < 0)
			return -ENOMEM;
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r >= 0)
		*ret = steal(list);
	return r < 0 ? r : 0;
}

/* A variant of a type that is not read here is left out: *ret is NULL. */
static int read_variant(sd_bus_message *m, json_t **ret)
{
	const char *type;
	int r = sd_bus_message_peek_type(m, NULL, &type);
	bool list = r >= 0 && strcmp(type, "as") == 0;

	*ret = NULL;
	if (r < 0)
		return r;
	if (!list && (strlen(type) != 1 || !strchr("suitxb", *type)))
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_enter_container(m, 'v', type);
	if (r >= 0)
		r = list ? cellsd_client_read_string_list(m, ret)
			 : read_basic_value(m, type, ret);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int cellsd_client_read_dictionary(sd_bus_message *m, json_t **ret)
{
	auto_json json_t *o = json_object();
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (o && r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const char *name;
		json_t *j = NULL;

		r = sd_bus_message_read(m, "s", &name);
		if (r >= 0)
			r = read_variant(m, &j);
		if (j && json_object_set_new(o, name, j) < 0)
			r = -ENOMEM;
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		return r;
	r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;
	if (!o)
		return -ENOMEM;
	*ret = steal(o);
	return 0;
}

/* ---- state */
void cellsd_client_set_unenforced(struct cellsd_client *client, const char *vp,
				  json_t *names)
{
	if (names)
		json_object_set_new(client->lacks, vp, names);
	else
		json_object_del(client->lacks, vp);
}

json_t *cellsd_client_get_unenforced(const struct cellsd_client *client,
				     const char *vp)
{
	return json_object_get(client->lacks, vp);
}

void cellsd_client_set_present(struct cellsd_client *client, const char *owner)
{
	snprintf(client->owner, sizeof(client->owner), "%s", owner);
	client->is_present = true;
	client->is_ready = false;
}

void cellsd_client_set_absent(struct cellsd_client *client)
{
	client->is_present = client->is_ready = false;
}

void cellsd_client_set_ready(struct cellsd_client *client)
{
	client->is_ready = true;
}

bool cellsd_client_is_present(const struct cellsd_client *client)
{
	return client->is_present;
}

bool cellsd_client_is_ready(const struct cellsd_client *client)
{
	return client->is_present && client->is_ready;
}

enum doc_level cellsd_client_get_level(const struct cellsd_client *client)
{
	return client->level;
}

bool cellsd_client_has_class(const struct cellsd_client *client,
			     enum cells_class c)
{
	return json_object_get(client->classes, class_name(c)) != NULL;
}

json_t *cellsd_client_format_inventory(const struct cellsd_client *client)
{
	return json_pack("{ss ss sO}", "backend", client->backend, "level",
			 doc_level_name(client->level), "classes",
			 client->classes);
}

static int read_device_classes(sd_bus_message *m, json_t *classes)
{
	int r = sd_bus_message_enter_container(m, 'a', "(uas)");

	while (r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'r', "uas")) > 0) {
		json_t *nodes = json_array();
		const char *node;
		uint32_t c;

		r = sd_bus_message_read(m, "u", &c);
		if (r >= 0)
			r = sd_bus_message_enter_container(m, 'a', "s");
		while (r >= 0 && (r = sd_bus_message_read(m, "s", &node)) > 0)
			json_array_append_new(nodes, json_string(node));
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r >= 0 && c < CELLS_CLASS_COUNT)
			json_object_set(classes, class_name(c), nodes);
		json_decref(nodes);
	}
	return r;
}

static enum doc_level parse_level_name(const char *name)
{
	enum doc_level l = DOC_MAPPED;

	while (l > DOC_OPEN && strcmp(doc_level_name(l), name) != 0)
		l--;
	return l;
}

static int save_device_level(struct cellsd_client *client, enum doc_level level,
			     struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int r = store_begin(client->store, true, &tx, e);

	if (r == 0)
		r = store_set_text(client->store, STORE_LEVEL,
				   doc_level_name(level), e);
	return r < 0 ? r : store_commit(&tx, e);
}

int cellsd_client_read_inventory(struct cellsd_client *client,
				 sd_bus_message *m)
{
	const char *backend, *level;
	struct err e;
	int r = sd_bus_message_read(m, "ss", &backend, &level);

	if (r >= 0) {
		snprintf(client->backend, sizeof(client->backend), "%s",
			 backend);
		json_object_clear(client->classes);
		r = read_device_classes(m, client->classes);
	}
	if (r < 0 || parse_level_name(level) == client->level)
		return r;
	/* Receipts claim what is stored. */
	r = save_device_level(client, parse_level_name(level), &e);
	if (r < 0)
		log_error("save level: %s", e.text);
	else
		client->level = parse_level_name(level);
	return r;
}

/* ---- layers that it holds */
int cellsd_client_read_layers(struct cellsd_client *client, sd_bus_message *m)
{
	const char *digest;
	int r;

	json_object_clear(client->given);
	r = sd_bus_message_enter_container(m, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(m, "s", &digest)) > 0)
		cellsd_client_add_layer(client, digest);
	return r;
}

bool cellsd_client_has_layer(const struct cellsd_client *client,
			     const char *digest)
{
	return json_object_get(client->given, digest) != NULL;
}

void cellsd_client_add_layer(struct cellsd_client *client, const char *digest)
{
	json_object_set_new(client->given, digest, json_true());
}

void cellsd_client_remove_layer(struct cellsd_client *client,
				const char *digest)
{
	json_object_del(client->given, digest);
}

/* As cellsd last reported; the weakest if it never did. */
static int load_saved_level(struct store *store, enum doc_level *ret,
			    struct err *e)
{
	auto_free char *level = NULL;
	int r = store_lookup_text(store, STORE_LEVEL, &level, e);

	*ret = r == 0 ? parse_level_name(level) : DOC_OPEN;
	return r == -ENOENT ? 0 : r;
}

int cellsd_client_new(sd_bus *bus, struct store *store,
		      struct cellsd_client **ret, struct err *e)
{
	AUTO(cellsd_client_freep)
	struct cellsd_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return err_oom(e, "watch cellsd");
	client->bus = bus;
	client->store = store;
	client->classes = json_object();
	client->lacks = json_object();
	client->given = json_object();
	if (!client->classes || !client->lacks || !client->given)
		return err_oom(e, "watch cellsd");
	r = load_saved_level(store, &client->level, e);
	if (r < 0)
		return r;
	*ret = steal(client);
	return 0;
}

void cellsd_client_free(struct cellsd_client *client)
{
	if (!client)
		return;
	json_decref(client->classes);
	json_decref(client->lacks);
	json_decref(client->given);
	free(client);
}

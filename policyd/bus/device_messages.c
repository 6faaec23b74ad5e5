/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/bus/device_messages.h"

#include "lib/auto.h"
#include "lib/bus_json.h"
#include "lib/class.h"
#include "lib/document/doc.h"
#include "policyd/bus/device_messages_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers */
/* Makes room for one more of n rows, zeroed; NULL: no memory. */
static void *add_row(void *rows, size_t n, size_t size)
{
	char *more = reallocarray(rows, n + 1, size);

	if (more)
		memset(more + n * size, 0, size);
	return more;
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

int device_messages_read_inventory(sd_bus_message *m,
				   struct device_inventory *ret)
{
	int r = sd_bus_message_read(m, "ss", &ret->backend, &ret->level);

	if (r < 0)
		return r;
	ret->classes = json_object();
	return ret->classes ? read_device_classes(m, ret->classes) : -ENOMEM;
}

static int read_vp(sd_bus_message *m, struct device_vp *ret)
{
	int r = sd_bus_message_read(m, "s", &ret->name);

	if (r >= 0)
		r = bus_json_read_properties(m, &ret->properties);
	if (r < 0)
		return r;
	ret->state =
		json_string_value(json_object_get(ret->properties, "state"));
	ret->is_damaged =
		json_is_true(json_object_get(ret->properties, "damaged"));
	ret->not_enforced = json_object_get(ret->properties, "not-enforced");
	return 0;
}

int device_messages_read_vps(sd_bus_message *m, struct device_vp **ret,
			     size_t *ret_n)
{
	int r = sd_bus_message_enter_container(m, 'a', "(sa{sv})");

	while (r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'r', "sa{sv}")) > 0) {
		struct device_vp *rows = add_row(*ret, *ret_n, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		*ret = rows;
		r = read_vp(m, &rows[(*ret_n)++]);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

void device_messages_free_vps(struct device_vp *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_decref(rows[i].properties);
	free(rows);
}

int device_messages_read_revoked(sd_bus_message *m, struct device_revoked **ret,
				 size_t *ret_n)
{
	struct device_revoked row;
	int r = sd_bus_message_enter_container(m, 'a', "(suuuu)");

	while (r >= 0 && (r = sd_bus_message_read(
				  m, "(suuuu)", &row.vp, &row.cls, &row.handles,
				  &row.mappings, &row.kept)) > 0) {
		struct device_revoked *rows =
			add_row(*ret, *ret_n, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		*ret = rows;
		rows[(*ret_n)++] = row;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* ---- Apply's arguments */
/* "TERM", "RTMIN+3": the schema allows only these. */
static int parse_signal_name(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{ "HUP", SIGHUP },   { "INT", SIGINT },	    { "QUIT", SIGQUIT },
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },   { "TERM", SIGTERM },
		{ "PWR", SIGPWR },   { "WINCH", SIGWINCH },
	};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcmp(signals[i].name, name) == 0)
			return signals[i].number;
	if (strncmp(name, "RTMIN", 5) == 0)
		return SIGRTMIN + (name[5] == '+' ? atoi(name + 6) : 0);
	return SIGTERM;
}

static int append_string_list(sd_bus_message *m, const char *name,
			      const char *const *strings)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_append_strv(m, (char **)(uintptr_t)strings);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_image_options(sd_bus_message *m, const struct doc_image *im)
{
	const char *digests[DOC_LAYERS_MAX + 1] = { NULL };
	int r;

	for (unsigned int i = 0; i < im->n_layers; i++)
		digests[i] = im->layer[i].digest;
	r = append_string_list(m, "layers", digests);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "init", "s", im->init);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "stop-signal", "i",
					  parse_signal_name(im->stop_signal));
	return r;
}

static int append_allow_rules(sd_bus_message *m, const struct doc_vp_config *c)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", "allow");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "a(uyyq)");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(uyyq)");
	for (unsigned int i = 0; r >= 0 && i < c->n_allow; i++) {
		const struct doc_allow *a = &c->allow[i];

		r = sd_bus_message_append(m, "(uyyq)", a->address, a->prefix,
					  a->protocol, a->port);
	}
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(m);
	return r;
}

static int append_event_kinds(sd_bus_message *m, const char *name, bool call,
			      bool sms, bool alarm)
{
	const char *words[4] = { NULL };
	unsigned int n = 0;

	if (call)
		words[n++] = "call";
	if (sms)
		words[n++] = "sms";
	if (alarm)
		words[n++] = "alarm";
	return append_string_list(m, name, words);
}

static int append_config_options(sd_bus_message *m,
				 const struct doc_vp_config *c)
{
	int r;

	r = sd_bus_message_append(
		m, "{sv}{sv}{sv}{sv}{sv}", "label", "s", c->label, "memory-max",
		"t", c->memory_max, "storage-max", "t", c->storage_max,
		"cpu-weight", "u", c->cpu_weight, "pids-max", "u", c->pids_max);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "overcommit", "b",
					  (int)c->overcommit);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}", "nat", "b",
					  (int)c->nat, "on-boot", "b",
					  (int)c->on_boot, "idle-seconds", "u",
					  c->idle_seconds);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}", "io-weight", "u",
					  c->io_weight, "net-rate", "t",
					  c->net_rate);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}", "io-read-max", "t",
					  c->io_read_max, "io-write-max", "t",
					  c->io_write_max, "no-new-privileges",
					  "b", (int)c->no_new_privs);
	if (r >= 0)
		r = append_allow_rules(m, c);
	if (r >= 0)
		r = append_event_kinds(m, "notify", c->notify_call,
				       c->notify_sms, c->notify_alarm);
	return r < 0 ? r
		     : append_event_kinds(m, "attention", c->attention_call,
					  c->attention_sms, c->attention_alarm);
}

static int append_wanted_vp(sd_bus_message *m,
			    const struct device_wanted_vp *vp,
			    const char *recovery)
{
	int r = sd_bus_message_open_container(m, 'r', "sa{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", vp->config->head.id);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0)
		r = append_config_options(m, vp->config);
	if (r >= 0)
		r = append_image_options(m, vp->image);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "recovery", "s", recovery);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_rights(sd_bus_message *m, const struct device_right *rights,
			 size_t n)
{
	int r = sd_bus_message_open_container(m, 'a', "(suybb)");

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append(m, "(suybb)", rights[i].vp,
					  rights[i].cls, rights[i].use,
					  (int)rights[i].is_blocked,
					  (int)rights[i].is_killing);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int device_messages_write_state(sd_bus_message *m, const struct device_state *s)
{
	int r = sd_bus_message_append(m, "t", s->generation);

	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sa{sv})");
	for (size_t i = 0; r >= 0 && i < s->n_vps; i++)
		r = append_wanted_vp(m, &s->vps[i], s->recovery);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = append_rights(m, s->rights, s->n_rights);
	return r < 0 ? r : sd_bus_message_append(m, "s", s->cause);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus/bus_query.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/lifecycle/device_state.h"
#include "cellsd/lifecycle/unsupported.h"
#include "cellsd/lifecycle/unsupported_vp.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <stdio.h>
#include <string.h>

static int send_query_reply(sd_bus_message *reply, int r, struct err *e)
{
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

static int append_class_nodes(sd_bus_message *reply,
			      const struct device_state *d, uint32_t c)
{
	int r;

	if (!(d->present >> c & 1))
		return 0;
	r = sd_bus_message_open_container(reply, 'r', "uas");
	if (r >= 0)
		r = sd_bus_message_append(reply, "u", c);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "s");
	for (size_t i = 0; r >= 0 && i < d->n_nodes; i++) {
		const struct backend_node *n = &d->nodes[i];
		char text[32];

		if (!(n->classes >> c & 1) || n->way == BACKEND_SHUT ||
		    (!n->major && !n->minor))
			continue;
		snprintf(text, sizeof(text), "%u:%u", n->major, n->minor);
		r = sd_bus_message_append(reply, "s", text);
	}
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_query_inventory(const struct device_state *d, sd_bus_message *m,
			struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(m, &reply);

	if (r >= 0)
		r = sd_bus_message_append(reply, "ss", d->type->name,
					  d->type->level);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(uas)");
	for (uint32_t c = 0; r >= 0 && c < CELLS_CLASS_COUNT; c++)
		r = append_class_nodes(reply, d, c);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	return send_query_reply(reply, r, e);
}

int bus_query_status(const struct unsupported_facts *f, sd_bus_message *m,
		     struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const struct unsupported *rows[UNSUPPORTED_MAX];
	size_t n = unsupported_list_features(f, rows);
	int r = sd_bus_message_new_method_return(m, &reply);

	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(sss)");
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append(reply, "(sss)", rows[i]->what,
					  rows[i]->why, rows[i]->remedy);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	return send_query_reply(reply, r, e);
}

static int append_not_enforced(sd_bus_message *reply, const struct vp *v,
			       const struct vp_data_info *data)
{
	const char *names[UNSUPPORTED_VP_MAX];
	size_t n = unsupported_vp_list_features(v, data, names);
	int r = sd_bus_message_open_container(reply, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(reply, "s", "not-enforced");
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "s");
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append(reply, "s", names[i]);
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(reply);
	return r;
}

static int append_data_state(sd_bus_message *reply,
			     const struct vp_data_info *data)
{
	char slots[64] = "";

	for (enum keyslot_type t = KEYSLOT_PASSCODE; t <= KEYSLOT_RECOVERY;
	     t++) {
		size_t used = strlen(slots);

		if (data->has[t])
			snprintf(slots + used, sizeof(slots) - used, "%s%s",
				 used ? " " : "", keyslots_type_name(t));
	}
	return sd_bus_message_append(
		reply, "{sv}{sv}{sv}{sv}{sv}", "damaged", "b",
		(int)data->damaged, "medium", "s", data->medium, "encryption",
		"s", *data->medium ? "fscrypt aes-256-xts" : "",
		"key-in-kernel", "b", (int)data->open, "slots", "s", slots);
}

static int append_vp_entry(sd_bus_message *reply, struct vp_data *vp_data,
			   const struct vp *v)
{
	struct vp_data_info data;
	const struct vp_run *run = v->run;
	char address[16] = "";
	int r = sd_bus_message_open_container(reply, 'r', "sa{sv}");

	vp_data_get_info(vp_data, v, &data);
	if (run && run->address)
		snprintf(address, sizeof(address), "%u.%u.%u.%u",
			 run->address >> 24, run->address >> 16 & 255,
			 run->address >> 8 & 255, run->address & 255);
	if (r >= 0)
		r = sd_bus_message_append(reply, "s", v->name);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(
			reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "state", "s",
			vp_state_name(v->state), "label", "s", v->conf.label,
			"pid", "u",
			run && run->pid > 0 ? (uint32_t)run->pid : 0,
			"foreground", "b", v->state == VP_STATE_FOREGROUND,
			"since", "t", run ? run->since_ns : 0, "address", "s",
			address, "memory", "t",
			run && run->cgroup >= 0
				? cgroup_get_memory_usage(run->cgroup)
				: 0);
	if (r >= 0)
		r = sd_bus_message_append(reply, "{sv}", "no-new-privileges",
					  "b",
					  run ? (int)run->no_new_privs
					      : (int)v->conf.no_new_privs);
	if (r >= 0)
		r = sd_bus_message_append(reply, "{sv}", "held-up", "b",
					  run && run->is_frozen);
	if (r >= 0)
		r = append_data_state(reply, &data);
	if (r >= 0)
		r = append_not_enforced(reply, v, &data);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_query_list_vps(const struct vp_table *vps, struct vp_data *data,
		       sd_bus_message *m, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(m, &reply);

	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(sa{sv})");
	for (unsigned int i = 0; r >= 0 && i < vps->n; i++)
		if (vps->vp[i]->state != VP_STATE_ABSENT)
			r = append_vp_entry(reply, data, vps->vp[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_message_append(reply, "t", vps->front_generation);
	return send_query_reply(reply, r, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus/bus_service.h"

#include "cellsd/bus/bus_keys.h"
#include "cellsd/bus/bus_query.h"
#include "cellsd/bus/bus_signal.h"
#include "cellsd/bus/desired_state.h"
#include "cellsd/bus/exec_session.h"
#include "cellsd/container/layer.h"
#include "cellsd/lifecycle/daemon.h"
#include "cellsd/lifecycle/erase.h"
#include "cellsd/lifecycle/foreground.h"
#include "cellsd/lifecycle/host.h"
#include "cellsd/lifecycle/operations.h"
#include "cellsd/lifecycle/running.h"
#include "cellsd/lifecycle/unsupported.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NAME_TRIES 100
#define NAME_PAUSE_NS 20000000

struct bus_service {
	sd_bus *bus;
	struct bus_signal *signals;
	struct host *host;
	struct exec_session_list *sessions;
};

/* What a message's handler has to return once a reply is sent. */
static int finish_reply(int r, struct err *e)
{
	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

/* ---- answers that come later */

struct pending_call {
	sd_bus_message *call;
	struct bus_service *d;
	char vp[VP_NAME_SIZE];
	char command[VP_TABLE_COMMAND_SIZE];
	int (*reply)(struct pending_call *a);
};

static void pending_call_free(struct pending_call *a)
{
	if (!a)
		return;
	sd_bus_message_unref(a->call);
	free(a);
}

static void pending_call_freep(struct pending_call **a)
{
	pending_call_free(*a);
}

static struct pending_call *
pending_call_new(struct bus_service *d, sd_bus_message *m, const char *vp,
		 int (*reply)(struct pending_call *), struct err *e)
{
	struct pending_call *a = calloc(1, sizeof(*a));

	if (!a) {
		err_oom(e, "keep a call");
		return NULL;
	}
	a->call = sd_bus_message_ref(m);
	a->d = d;
	a->reply = reply;
	snprintf(a->vp, sizeof(a->vp), "%s", vp);
	return a;
}

static void on_operation_done(void *arg, const struct err *e)
{
	struct pending_call *a = arg;
	int r = e ? bus_reply_err(a->call, e) : a->reply(a);

	if (r < 0)
		log_debug("answer a call: %s", strerror(-r));
	pending_call_free(a);
}

static int send_empty_reply(struct pending_call *a)
{
	return sd_bus_reply_method_return(a->call, "");
}

static int send_lock_reply(struct pending_call *a)
{
	struct vp *v = vp_table_find_vp(a->d->host->vps, a->vp);
	struct err e;

	if (v)
		return bus_keys_reply_locked(a->d->host->vp_data, v, a->call);
	err_reason(&e, REASON_NO_SUCH_VP, "VP %s is gone", a->vp);
	return bus_reply_err(a->call, &e);
}

static int send_erase_result(sd_bus_message *m,
			     const struct vp_table_command *command)
{
	return sd_bus_reply_method_return(
		m, "a{sv}", 7, "method", "s", ERASE_METHOD, "medium", "s",
		command->medium, "slots", "u", command->slots, "keys", "u",
		command->incomplete ? 0 : command->keys, "key", "s",
		command->key_id, "bytes", "t", command->bytes, "incomplete",
		"b", command->incomplete || !command->done);
}

static int send_erase_reply(struct pending_call *a)
{
	struct vp_table_command *command =
		vp_table_find_command(a->d->host->vps, a->command);
	struct err e;

	if (command)
		return send_erase_result(a->call, command);
	err_reason(&e, REASON_INTERNAL, "job %s is not recorded", a->command);
	return bus_reply_err(a->call, &e);
}

/* ---- methods */

static int handle_apply(struct bus_service *d, sd_bus_message *m, struct err *e)
{
	AUTO(vp_table_desired_fini) struct vp_table_desired desired = { 0 };
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const struct host_revoked *revoked = &d->host->operations.revoked;
	uint64_t arrival = clock_mono_ns(), ns = 0;
	const char *cause;
	int r = desired_state_read(m, &desired, &cause, e);

	if (r == 0)
		r = operations_apply(&d->host->operations, &desired, cause,
				     arrival, &ns, e);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(suuuu)");
	for (unsigned int i = 0; r >= 0 && i < revoked->n; i++)
		r = sd_bus_message_append(reply, "(suuuu)", revoked->row[i].vp,
					  (uint32_t)revoked->row[i].cls,
					  revoked->row[i].count.handles,
					  revoked->row[i].count.mappings,
					  revoked->row[i].count.kept);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_message_append(reply, "t", ns);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	operations_auto_start(&d->host->operations);
	return finish_reply(r, e);
}

static int handle_add_layer(struct bus_service *d, sd_bus_message *m,
			    struct err *e)
{
	const char *digest;
	int fd, r = sd_bus_message_read(m, "sh", &digest, &fd);

	if (r < 0)
		return err_sys(e, -r, "read Layer");
	r = layer_set_add(d->host->layers, digest, fd, e);
	if (r < 0)
		return r;
	r = sd_bus_reply_method_return(m, "");
	operations_auto_start(&d->host->operations);
	return finish_reply(r, e);
}

static void append_layer_digest(void *arg, const char *digest)
{
	sd_bus_message_append(arg, "s", digest);
}

static int handle_list_layers(struct bus_service *d, sd_bus_message *m,
			      struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(m, &reply);

	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "s");
	if (r < 0)
		return err_sys(e, -r, "answer Layers");
	layer_set_each(d->host->layers, append_layer_digest, reply);
	r = sd_bus_message_close_container(reply);
	return finish_reply(r < 0 ? r : sd_bus_send(NULL, reply, NULL), e);
}

static int handle_drop_layer(struct bus_service *d, sd_bus_message *m,
			     struct err *e)
{
	const char *digest;
	int r = sd_bus_message_read(m, "s", &digest);

	if (r < 0)
		return err_sys(e, -r, "read DropLayer");
	r = operations_drop_layer(&d->host->operations, digest, e);
	return r < 0 ? r : finish_reply(sd_bus_reply_method_return(m, ""), e);
}

/* The VP that a call's first argument names. */
static int read_vp_argument(struct bus_service *d, sd_bus_message *m,
			    struct vp **ret, struct err *e)
{
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return err_sys(e, -r, "read the call");
	return vp_table_require_vp(d->host->vps, name, ret, e);
}

static int handle_start_vp(struct bus_service *d, sd_bus_message *m,
			   struct err *e)
{
	struct vp *v;
	int r = read_vp_argument(d, m, &v, e);

	if (r == 0)
		r = running_start_vp(&d->host->running, v, "command", e);
	return r < 0 ? r : finish_reply(sd_bus_reply_method_return(m, ""), e);
}

static int handle_stop_vp(struct bus_service *d, sd_bus_message *m,
			  struct err *e)
{
	AUTO(pending_call_freep) struct pending_call *a = NULL;
	struct vp *v;
	int r = read_vp_argument(d, m, &v, e);

	if (r < 0)
		return r;
	a = pending_call_new(d, m, v->name, send_empty_reply, e);
	if (!a)
		return -ENOMEM;
	r = operations_stop_vp(&d->host->operations, v, on_operation_done, a,
			       e);
	if (r == 0)
		a = NULL;
	return r < 0 ? r : 1;
}

static int handle_lock_vp(struct bus_service *d, sd_bus_message *m,
			  struct err *e)
{
	AUTO(pending_call_freep) struct pending_call *a = NULL;
	struct vp *v;
	int r = read_vp_argument(d, m, &v, e);

	if (r < 0)
		return r;
	a = pending_call_new(d, m, v->name, send_lock_reply, e);
	if (!a)
		return -ENOMEM;
	r = operations_lock_vp(&d->host->operations, v, on_operation_done, a,
			       e);
	if (r == 0)
		a = NULL;
	return r < 0 ? r : 1;
}

static int handle_unlock_vp(struct bus_service *d, sd_bus_message *m,
			    struct err *e)
{
	struct vp *v;
	int r = read_vp_argument(d, m, &v, e);

	return r < 0 ? r
		     : bus_keys_unlock(&d->host->operations, v, m,
				       VP_KEYS_PASSCODE, e);
}

static int handle_unlock_by_key(struct bus_service *d, sd_bus_message *m,
				struct err *e)
{
	struct vp *v;
	int r = read_vp_argument(d, m, &v, e);

	return r < 0 ? r
		     : bus_keys_unlock(&d->host->operations, v, m, VP_KEYS_KEY,
				       e);
}

static int handle_set_passcode(struct bus_service *d, sd_bus_message *m,
			       struct err *e)
{
	struct vp *v;
	int r = read_vp_argument(d, m, &v, e);

	return r < 0 ? r : bus_keys_set_passcode(&d->host->operations, v, m, e);
}

static int handle_put_secrets(struct bus_service *d, sd_bus_message *m,
			      struct err *e)
{
	struct vp *v;
	int r = read_vp_argument(d, m, &v, e);

	return r < 0 ? r : bus_keys_put_secrets(&d->host->operations, v, m, e);
}

static bool is_valid_command_id(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return n > 0 && n < VP_TABLE_COMMAND_SIZE;
}

static int start_vp_erase(struct bus_service *d, sd_bus_message *m, bool remove,
			  struct err *e)
{
	AUTO(pending_call_freep) struct pending_call *a = NULL;
	const struct vp_table_command *command;
	const char *name, *id;
	struct vp *v;
	int r = sd_bus_message_read(m, "ss", &name, &id);

	if (r < 0)
		return err_sys(e, -r, "read the call");
	if (!is_valid_command_id(id))
		return err_set(e, EINVAL, "job id '%.40s' is not valid", id);
	command = vp_table_find_command(d->host->vps, id);
	if (command && strcmp(command->vp, name) != 0)
		return err_reason(e, REASON_REPLAY, "job %s is of VP %s", id,
				  command->vp);
	if (command && command->done)
		return finish_reply(send_erase_result(m, command), e);
	r = vp_table_require_vp(d->host->vps, name, &v, e);
	if (r < 0)
		return r;
	a = pending_call_new(d, m, name, send_erase_reply, e);
	if (!a)
		return -ENOMEM;
	snprintf(a->command, sizeof(a->command), "%s", id);
	r = operations_erase_vp(&d->host->operations, v, id, remove,
				on_operation_done, a, e);
	if (r == 0)
		a = NULL;
	return r < 0 ? r : 1;
}

static int handle_wipe_vp(struct bus_service *d, sd_bus_message *m,
			  struct err *e)
{
	return start_vp_erase(d, m, false, e);
}

static int handle_remove_vp(struct bus_service *d, sd_bus_message *m,
			    struct err *e)
{
	return start_vp_erase(d, m, true, e);
}

static int handle_forget_command(struct bus_service *d, sd_bus_message *m,
				 struct err *e)
{
	const char *id;
	int r = sd_bus_message_read(m, "s", &id);

	if (r < 0)
		return err_sys(e, -r, "read Forget");
	r = vp_table_forget_command(d->host->vps, id, e);
	return r < 0 ? r : finish_reply(sd_bus_reply_method_return(m, ""), e);
}

static int handle_list_vps(struct bus_service *d, sd_bus_message *m,
			   struct err *e)
{
	return bus_query_list_vps(d->host->vps, d->host->vp_data, m, e);
}

static int handle_inventory(struct bus_service *d, sd_bus_message *m,
			    struct err *e)
{
	return bus_query_inventory(&d->host->device, m, e);
}

static int handle_status(struct bus_service *d, sd_bus_message *m,
			 struct err *e)
{
	struct unsupported_facts f;

	daemon_get_unsupported_facts(d->host, &f);
	return bus_query_status(&f, m, e);
}

static int handle_switch(struct bus_service *d, sd_bus_message *m,
			 struct err *e)
{
	bool policy = bus_check_caller(m, BUS_POLICY, e) == 0;
	struct vp *v = NULL;
	const char *name;
	uint64_t ns = 0;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return err_sys(e, -r, "read Switch");
	r = *name ? vp_table_require_vp(d->host->vps, name, &v, e) : 0;
	if (r == 0)
		r = foreground_switch(&d->host->foreground, v,
				      policy ? "command" : "user", &ns, e);
	return r < 0 ? r
		     : finish_reply(sd_bus_reply_method_return(m, "t", ns), e);
}

static int switch_to_neighbour(struct bus_service *d, sd_bus_message *m, int by,
			       struct err *e)
{
	struct vp *v = foreground_find_neighbour(&d->host->foreground, by);
	uint64_t ns;
	int r;

	if (!v)
		return err_reason(e, REASON_VP_STATE, "no other VP runs");
	r = foreground_switch(&d->host->foreground, v, "user", &ns, e);
	return r < 0 ? r
		     : finish_reply(sd_bus_reply_method_return(m, "s", v->name),
				    e);
}

static int handle_switch_next(struct bus_service *d, sd_bus_message *m,
			      struct err *e)
{
	return switch_to_neighbour(d, m, 1, e);
}

static int handle_switch_previous(struct bus_service *d, sd_bus_message *m,
				  struct err *e)
{
	return switch_to_neighbour(d, m, -1, e);
}

static int read_running_vp(struct bus_service *d, sd_bus_message *m,
			   struct vp **ret, struct err *e)
{
	int r = read_vp_argument(d, m, ret, e);

	if (r < 0)
		return r;
	if (!vp_state_is_running((*ret)->state) || !(*ret)->run ||
	    (*ret)->run->pidfd < 0)
		return err_reason(e, REASON_VP_STATE, "VP %s is %s",
				  (*ret)->name, vp_state_name((*ret)->state));
	return 0;
}

static int handle_exec(struct bus_service *d, sd_bus_message *m, struct err *e)
{
	struct vp *v;
	int r = read_running_vp(d, m, &v, e);

	return r < 0 ? r : exec_session_run(d->sessions, v, m, e);
}

static int handle_console(struct bus_service *d, sd_bus_message *m,
			  struct err *e)
{
	struct vp *v;
	int r = read_running_vp(d, m, &v, e);

	return r < 0 ? r : exec_session_open_console(d->sessions, v, m, e);
}

/* ---- dispatch */

#define ANYBODY (BUS_GROUP | BUS_POLICY | BUS_ROOT)

#define METHODS(X)                                                             \
	X("Apply", "ta(sa{sv})a(suybb)s", "a(suuuu)t", BUS_POLICY,             \
	  handle_apply)                                                        \
	X("Layer", "sh", "", BUS_POLICY, handle_add_layer)                     \
	X("Layers", "", "as", BUS_POLICY, handle_list_layers)                  \
	X("DropLayer", "s", "", BUS_POLICY, handle_drop_layer)                 \
	X("Start", "s", "", BUS_POLICY, handle_start_vp)                       \
	X("Stop", "s", "", BUS_POLICY, handle_stop_vp)                         \
	X("Lock", "s", "a{sv}", BUS_POLICY, handle_lock_vp)                    \
	X("Unlock", "sh", "", BUS_POLICY, handle_unlock_vp)                    \
	X("UnlockByKey", "sh", "", BUS_POLICY, handle_unlock_by_key)           \
	X("SetPasscode", "shh", "", BUS_POLICY, handle_set_passcode)           \
	X("Secrets", "sh", "", BUS_POLICY, handle_put_secrets)                 \
	X("Wipe", "ss", "a{sv}", BUS_POLICY, handle_wipe_vp)                   \
	X("Remove", "ss", "a{sv}", BUS_POLICY, handle_remove_vp)               \
	X("Forget", "s", "", BUS_POLICY, handle_forget_command)                \
	X("Inventory", "", "ssa(uas)", BUS_POLICY, handle_inventory)           \
	X("List", "", "a(sa{sv})t", ANYBODY, handle_list_vps)                  \
	X("Status", "", "a(sss)", ANYBODY, handle_status)                      \
	X("Switch", "s", "t", ANYBODY, handle_switch)                          \
	X("Next", "", "s", ANYBODY, handle_switch_next)                        \
	X("Previous", "", "s", ANYBODY, handle_switch_previous)                \
	X("Exec", "sashhh", "i", BUS_ROOT, handle_exec)                        \
	X("Console", "s", "h", BUS_ROOT, handle_console)

static const struct {
	const char *name;
	unsigned int who;
	int (*fn)(struct bus_service *d, sd_bus_message *m, struct err *e);
} methods[] = {
#define METHOD_ROW(name, in, out, who, fn) { name, who, fn },
	METHODS(METHOD_ROW)
#undef METHOD_ROW
};

static int on_method_call(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *member = sd_bus_message_get_member(m);
	struct err e;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcmp(methods[i].name, member) != 0)
			continue;
		r = bus_check_caller(m, methods[i].who, &e);
		if (r < 0)
			return sd_bus_error_setf(error,
						 SD_BUS_ERROR_ACCESS_DENIED,
						 "%s", e.text);
		r = methods[i].fn(arg, m, &e);
		if (r >= 0)
			return 1;
		if (r == -ENOSPC || r == -EDQUOT)
			e.reason = REASON_STORAGE_FULL;
		log_info("%s: %s", member, e.text);
		return bus_reply_err(m, &e);
	}
	return 0;
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
#define VTABLE_ROW(name, in, out, who, fn)                                     \
	SD_BUS_METHOD(name, in, out, on_method_call,                           \
		      SD_BUS_VTABLE_UNPRIVILEGED),
	METHODS(VTABLE_ROW)
#undef VTABLE_ROW
		SD_BUS_SIGNAL("Switched", "sstst", 0),
	SD_BUS_SIGNAL("Changed", "sssas", 0),
	SD_BUS_SIGNAL("Event", "stsuuusus", 0),
	SD_BUS_SIGNAL("Revoked", "a(suuuu)ts", 0),
	SD_BUS_SIGNAL("Idle", "s", 0),
	SD_BUS_SIGNAL("StartFailed", "ssss", 0),
	SD_BUS_VTABLE_END,
};

/* ---- open */

/*
 * Before anything else is opened, so that no second daemon works on the same
 * VPs. A daemon that was just killed may have it for a moment, by a child that
 * is about to end.
 */
static int acquire_bus_name(sd_bus *bus, struct err *e)
{
	const struct timespec pause = { .tv_nsec = NAME_PAUSE_NS };
	int r = -EEXIST;

	for (int i = 0; r == -EEXIST && i < NAME_TRIES; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		r = sd_bus_request_name(bus, BUS_DEVICE_NAME, 0);
	}
	return r < 0 ? err_sys(e, -r, "take the name " BUS_DEVICE_NAME) : 0;
}

int bus_service_open(const struct host_options *o, struct bus_service **ret,
		     struct err *e)
{
	AUTO(bus_service_closep) struct bus_service *d = calloc(1, sizeof(*d));
	struct host_callbacks watch;
	int r;

	if (!d)
		return err_oom(e, "offer the device");
	bus_limit_memory();
	r = bus_open(&d->bus, e);
	if (r == 0)
		r = acquire_bus_name(d->bus, e);
	if (r == 0)
		r = bus_signal_new(d->bus, &d->signals, e);
	if (r < 0)
		return r;
	bus_signal_get_callbacks(d->signals, &watch);
	r = daemon_open(o, &watch, &d->host, e);
	if (r == 0)
		r = exec_session_list_new(d->host->confinement, d->host->vps,
					  o->loop, &d->sessions, e);
	if (r < 0)
		return r;
	bus_signal_set_vps(d->signals, d->host->vps, d->host->vp_data);
	r = sd_bus_attach_event(d->bus, o->loop, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_add_object_vtable(d->bus, NULL, BUS_DEVICE_PATH,
					     BUS_DEVICE_NAME, vtable, d);
	if (r < 0)
		return err_sys(e, -r, "offer the device on the bus");
	*ret = steal(d);
	return 0;
}

void bus_service_close(struct bus_service *d)
{
	if (!d)
		return;
	exec_session_list_free(d->sessions);
	if (d->bus)
		sd_bus_detach_event(d->bus);
	daemon_close(d->host);
	bus_signal_free(d->signals);
	sd_bus_flush_close_unref(d->bus);
	free(d);
}

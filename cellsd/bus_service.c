/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus_service.h"

#include "cellsd/bus_keys.h"
#include "cellsd/bus_query.h"
#include "cellsd/bus_signal.h"
#include "cellsd/daemon.h"
#include "cellsd/desired_state.h"
#include "cellsd/erase.h"
#include "cellsd/exec_session.h"
#include "cellsd/foreground.h"
#include "cellsd/layer.h"
#include "cellsd/operations.h"
#include "cellsd/running.h"
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

struct devbus {
	sd_bus *bus;
	struct devsignal *signals;
	struct host *host;
	struct guests *guests;
};

/* What a message's handler has to return once a reply is sent. */
static int sent(int r, struct err *e)
{
	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

/* ---- answers that come later */

struct answer {
	sd_bus_message *call;
	struct devbus *d;
	char vp[VP_NAME_SIZE];
	char job[ROSTER_JOB_SIZE];
	int (*reply)(struct answer *a);
};

static void answer_free(struct answer *a)
{
	if (!a)
		return;
	sd_bus_message_unref(a->call);
	free(a);
}

static void answer_freep(struct answer **a)
{
	answer_free(*a);
}

static struct answer *answer_new(struct devbus *d, sd_bus_message *m,
				 const char *vp, int (*reply)(struct answer *),
				 struct err *e)
{
	struct answer *a = calloc(1, sizeof(*a));

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

static void on_done(void *arg, const struct err *e)
{
	struct answer *a = arg;
	int r = e ? bus_reply_err(a->call, e) : a->reply(a);

	if (r < 0)
		log_debug("answer a call: %s", strerror(-r));
	answer_free(a);
}

static int reply_empty(struct answer *a)
{
	return sd_bus_reply_method_return(a->call, "");
}

static int reply_locked(struct answer *a)
{
	struct vp *v = roster_find(a->d->host->roster, a->vp);
	struct err e;

	if (v)
		return devkeys_reply_locked(a->d->host, v, a->call);
	err_reason(&e, REASON_NO_SUCH_VP, "VP %s is gone", a->vp);
	return bus_reply_err(a->call, &e);
}

static int reply_job(sd_bus_message *m, const struct roster_job *job)
{
	return sd_bus_reply_method_return(
		m, "a{sv}", 7, "method", "s", ERASE_METHOD, "medium", "s",
		job->medium, "slots", "u", job->slots, "keys", "u",
		job->incomplete ? 0 : job->keys, "key", "s", job->key_id,
		"bytes", "t", job->bytes, "incomplete", "b",
		job->incomplete || !job->done);
}

static int reply_erased(struct answer *a)
{
	struct roster_job *job = roster_find_job(a->d->host->roster, a->job);
	struct err e;

	if (job)
		return reply_job(a->call, job);
	err_reason(&e, REASON_INTERNAL, "job %s is not recorded", a->job);
	return bus_reply_err(a->call, &e);
}

/* ---- methods */

static int do_apply(struct devbus *d, sd_bus_message *m, struct err *e)
{
	AUTO(roster_wish_fini) struct roster_wish wish = { 0 };
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const struct host_revoked *cut = &d->host->revoked;
	uint64_t arrival = clock_mono_ns(), ns = 0;
	const char *cause;
	int r = desired_read(m, &wish, &cause, e);

	if (r == 0)
		r = control_apply(d->host, &wish, cause, arrival, &ns, e);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(suuuu)");
	for (unsigned int i = 0; r >= 0 && i < cut->n; i++)
		r = sd_bus_message_append(
			reply, "(suuuu)", cut->cut[i].vp,
			(uint32_t)cut->cut[i].cls, cut->cut[i].count.handles,
			cut->cut[i].count.mappings, cut->cut[i].count.kept);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_message_append(reply, "t", ns);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	control_auto_start(d->host);
	return sent(r, e);
}

static int do_layer(struct devbus *d, sd_bus_message *m, struct err *e)
{
	const char *digest;
	int fd, r = sd_bus_message_read(m, "sh", &digest, &fd);

	if (r < 0)
		return err_sys(e, -r, "read Layer");
	r = layers_add(d->host->layers, digest, fd, e);
	if (r < 0)
		return r;
	r = sd_bus_reply_method_return(m, "");
	control_auto_start(d->host);
	return sent(r, e);
}

static void add_digest(void *arg, const char *digest)
{
	sd_bus_message_append(arg, "s", digest);
}

static int do_layers(struct devbus *d, sd_bus_message *m, struct err *e)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(m, &reply);

	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "s");
	if (r < 0)
		return err_sys(e, -r, "answer Layers");
	layers_each(d->host->layers, add_digest, reply);
	r = sd_bus_message_close_container(reply);
	return sent(r < 0 ? r : sd_bus_send(NULL, reply, NULL), e);
}

static int do_drop_layer(struct devbus *d, sd_bus_message *m, struct err *e)
{
	const char *digest;
	int r = sd_bus_message_read(m, "s", &digest);

	if (r < 0)
		return err_sys(e, -r, "read DropLayer");
	r = control_drop_layer(d->host, digest, e);
	return r < 0 ? r : sent(sd_bus_reply_method_return(m, ""), e);
}

/* The VP that a call's first argument names. */
static int read_vp(struct devbus *d, sd_bus_message *m, struct vp **ret,
		   struct err *e)
{
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return err_sys(e, -r, "read the call");
	return host_vp(d->host, name, ret, e);
}

static int do_start(struct devbus *d, sd_bus_message *m, struct err *e)
{
	struct vp *v;
	int r = read_vp(d, m, &v, e);

	if (r == 0)
		r = running_start(d->host, v, "command", e);
	return r < 0 ? r : sent(sd_bus_reply_method_return(m, ""), e);
}

static int do_stop(struct devbus *d, sd_bus_message *m, struct err *e)
{
	AUTO(answer_freep) struct answer *a = NULL;
	struct vp *v;
	int r = read_vp(d, m, &v, e);

	if (r < 0)
		return r;
	a = answer_new(d, m, v->name, reply_empty, e);
	if (!a)
		return -ENOMEM;
	r = control_stop(d->host, v, on_done, a, e);
	if (r == 0)
		a = NULL;
	return r < 0 ? r : 1;
}

static int do_lock(struct devbus *d, sd_bus_message *m, struct err *e)
{
	AUTO(answer_freep) struct answer *a = NULL;
	struct vp *v;
	int r = read_vp(d, m, &v, e);

	if (r < 0)
		return r;
	a = answer_new(d, m, v->name, reply_locked, e);
	if (!a)
		return -ENOMEM;
	r = control_lock(d->host, v, on_done, a, e);
	if (r == 0)
		a = NULL;
	return r < 0 ? r : 1;
}

static int do_unlock(struct devbus *d, sd_bus_message *m, struct err *e)
{
	struct vp *v;
	int r = read_vp(d, m, &v, e);

	return r < 0 ? r : devkeys_unlock(d->host, v, m, VPKEYS_PASSCODE, e);
}

static int do_unlock_by_key(struct devbus *d, sd_bus_message *m, struct err *e)
{
	struct vp *v;
	int r = read_vp(d, m, &v, e);

	return r < 0 ? r : devkeys_unlock(d->host, v, m, VPKEYS_KEY, e);
}

static int do_set_passcode(struct devbus *d, sd_bus_message *m, struct err *e)
{
	struct vp *v;
	int r = read_vp(d, m, &v, e);

	return r < 0 ? r : devkeys_set_passcode(d->host, v, m, e);
}

static int do_secrets(struct devbus *d, sd_bus_message *m, struct err *e)
{
	struct vp *v;
	int r = read_vp(d, m, &v, e);

	return r < 0 ? r : devkeys_secrets(d->host, v, m, e);
}

static bool is_job_id(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return n > 0 && n < ROSTER_JOB_SIZE;
}

static int erase(struct devbus *d, sd_bus_message *m, bool remove,
		 struct err *e)
{
	AUTO(answer_freep) struct answer *a = NULL;
	const struct roster_job *job;
	const char *name, *id;
	struct vp *v;
	int r = sd_bus_message_read(m, "ss", &name, &id);

	if (r < 0)
		return err_sys(e, -r, "read the call");
	if (!is_job_id(id))
		return err_set(e, EINVAL, "job id '%.40s' is not valid", id);
	job = roster_find_job(d->host->roster, id);
	if (job && strcmp(job->vp, name) != 0)
		return err_reason(e, REASON_REPLAY, "job %s is of VP %s", id,
				  job->vp);
	if (job && job->done)
		return sent(reply_job(m, job), e);
	r = host_vp(d->host, name, &v, e);
	if (r < 0)
		return r;
	a = answer_new(d, m, name, reply_erased, e);
	if (!a)
		return -ENOMEM;
	snprintf(a->job, sizeof(a->job), "%s", id);
	r = control_erase(d->host, v, id, remove, on_done, a, e);
	if (r == 0)
		a = NULL;
	return r < 0 ? r : 1;
}

static int do_wipe(struct devbus *d, sd_bus_message *m, struct err *e)
{
	return erase(d, m, false, e);
}

static int do_remove(struct devbus *d, sd_bus_message *m, struct err *e)
{
	return erase(d, m, true, e);
}

static int do_forget(struct devbus *d, sd_bus_message *m, struct err *e)
{
	const char *id;
	int r = sd_bus_message_read(m, "s", &id);

	if (r < 0)
		return err_sys(e, -r, "read Forget");
	r = roster_forget_job(d->host->roster, id, e);
	return r < 0 ? r : sent(sd_bus_reply_method_return(m, ""), e);
}

static int do_list(struct devbus *d, sd_bus_message *m, struct err *e)
{
	return devquery_list(d->host, m, e);
}

static int do_inventory(struct devbus *d, sd_bus_message *m, struct err *e)
{
	return devquery_inventory(d->host, m, e);
}

static int do_status(struct devbus *d, sd_bus_message *m, struct err *e)
{
	return devquery_status(d->host, m, e);
}

static int do_switch(struct devbus *d, sd_bus_message *m, struct err *e)
{
	bool policy = bus_check_caller(m, BUS_POLICY, e) == 0;
	struct vp *v = NULL;
	const char *name;
	uint64_t ns = 0;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return err_sys(e, -r, "read Switch");
	r = *name ? host_vp(d->host, name, &v, e) : 0;
	if (r == 0)
		r = front_switch(d->host, v, policy ? "command" : "user", &ns,
				 e);
	return r < 0 ? r : sent(sd_bus_reply_method_return(m, "t", ns), e);
}

static int step(struct devbus *d, sd_bus_message *m, int by, struct err *e)
{
	struct vp *v = front_neighbour(d->host, by);
	uint64_t ns;
	int r;

	if (!v)
		return err_reason(e, REASON_VP_STATE, "no other VP runs");
	r = front_switch(d->host, v, "user", &ns, e);
	return r < 0 ? r : sent(sd_bus_reply_method_return(m, "s", v->name), e);
}

static int do_next(struct devbus *d, sd_bus_message *m, struct err *e)
{
	return step(d, m, 1, e);
}

static int do_previous(struct devbus *d, sd_bus_message *m, struct err *e)
{
	return step(d, m, -1, e);
}

static int read_running(struct devbus *d, sd_bus_message *m, struct vp **ret,
			struct err *e)
{
	int r = read_vp(d, m, ret, e);

	if (r < 0)
		return r;
	if (!vpstate_runs((*ret)->state) || !(*ret)->run ||
	    (*ret)->run->pidfd < 0)
		return err_reason(e, REASON_VP_STATE, "VP %s is %s",
				  (*ret)->name, vpstate_name((*ret)->state));
	return 0;
}

static int do_exec(struct devbus *d, sd_bus_message *m, struct err *e)
{
	struct vp *v;
	int r = read_running(d, m, &v, e);

	return r < 0 ? r : guest_exec(d->guests, v, m, e);
}

static int do_console(struct devbus *d, sd_bus_message *m, struct err *e)
{
	struct vp *v;
	int r = read_running(d, m, &v, e);

	return r < 0 ? r : guest_console(d->guests, v, m, e);
}

/* ---- dispatch */

#define ANYBODY (BUS_GROUP | BUS_POLICY | BUS_ROOT)

#define METHODS(X)                                                             \
	X("Apply", "ta(sa{sv})a(suybb)s", "a(suuuu)t", BUS_POLICY, do_apply)   \
	X("Layer", "sh", "", BUS_POLICY, do_layer)                             \
	X("Layers", "", "as", BUS_POLICY, do_layers)                           \
	X("DropLayer", "s", "", BUS_POLICY, do_drop_layer)                     \
	X("Start", "s", "", BUS_POLICY, do_start)                              \
	X("Stop", "s", "", BUS_POLICY, do_stop)                                \
	X("Lock", "s", "a{sv}", BUS_POLICY, do_lock)                           \
	X("Unlock", "sh", "", BUS_POLICY, do_unlock)                           \
	X("UnlockByKey", "sh", "", BUS_POLICY, do_unlock_by_key)               \
	X("SetPasscode", "shh", "", BUS_POLICY, do_set_passcode)               \
	X("Secrets", "sh", "", BUS_POLICY, do_secrets)                         \
	X("Wipe", "ss", "a{sv}", BUS_POLICY, do_wipe)                          \
	X("Remove", "ss", "a{sv}", BUS_POLICY, do_remove)                      \
	X("Forget", "s", "", BUS_POLICY, do_forget)                            \
	X("Inventory", "", "ssa(uas)", BUS_POLICY, do_inventory)               \
	X("List", "", "a(sa{sv})t", ANYBODY, do_list)                          \
	X("Status", "", "a(sss)", ANYBODY, do_status)                          \
	X("Switch", "s", "t", ANYBODY, do_switch)                              \
	X("Next", "", "s", ANYBODY, do_next)                                   \
	X("Previous", "", "s", ANYBODY, do_previous)                           \
	X("Exec", "sashhh", "i", BUS_ROOT, do_exec)                            \
	X("Console", "s", "h", BUS_ROOT, do_console)

static const struct {
	const char *name;
	unsigned int who;
	int (*fn)(struct devbus *d, sd_bus_message *m, struct err *e);
} methods[] = {
#define METHOD_ROW(name, in, out, who, fn) { name, who, fn },
	METHODS(METHOD_ROW)
#undef METHOD_ROW
};

static int on_call(sd_bus_message *m, void *arg, sd_bus_error *error)
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
	SD_BUS_METHOD(name, in, out, on_call, SD_BUS_VTABLE_UNPRIVILEGED),
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
static int take_name(sd_bus *bus, struct err *e)
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

int devbus_open(const struct host_options *o, struct devbus **ret,
		struct err *e)
{
	AUTO(devbus_closep) struct devbus *d = calloc(1, sizeof(*d));
	struct host_watch watch;
	int r;

	if (!d)
		return err_oom(e, "offer the device");
	r = bus_open(&d->bus, e);
	if (r == 0)
		r = take_name(d->bus, e);
	if (r == 0)
		r = devsignal_new(d->bus, &d->signals, e);
	if (r < 0)
		return r;
	devsignal_watch(d->signals, &watch);
	r = machine_open(o, &watch, &d->host, e);
	if (r == 0)
		r = guests_new(d->host, &d->guests, e);
	if (r < 0)
		return r;
	devsignal_set_host(d->signals, d->host);
	r = sd_bus_attach_event(d->bus, o->loop, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_add_object_vtable(d->bus, NULL, BUS_DEVICE_PATH,
					     BUS_DEVICE_NAME, vtable, d);
	if (r < 0)
		return err_sys(e, -r, "offer the device on the bus");
	*ret = steal(d);
	return 0;
}

void devbus_close(struct devbus *d)
{
	if (!d)
		return;
	guests_free(d->guests);
	if (d->bus)
		sd_bus_detach_event(d->bus);
	machine_close(d->host);
	devsignal_free(d->signals);
	sd_bus_flush_close_unref(d->bus);
	free(d);
}

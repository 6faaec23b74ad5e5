/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus_signal.h"

#include "cellsd/context.h"
#include "cellsd/signal_queue.h"
#include "cellsd/unsupported_vp.h"
#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/class.h"
#include "lib/err.h"
#include "lib/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct devsignal {
	sd_bus *bus;
	struct audience *audience;
	struct host *host; /* NULL while it is being opened */
};

/* What the audit must hear waits for it; of states policyd asks by itself. */
static int tell(struct devsignal *s, const char *name, sd_bus_message *m)
{
	if (strcmp(name, "Event") == 0 || strcmp(name, "Revoked") == 0 ||
	    strcmp(name, "StartFailed") == 0)
		return audience_tell(s->audience, m);
	return sd_bus_send(s->bus, m, NULL);
}

static int emit(struct devsignal *s, const char *name, const char *types, ...)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	va_list ap;
	int r;

	r = sd_bus_message_new_signal(s->bus, &m, BUS_DEVICE_PATH,
				      BUS_DEVICE_NAME, name);
	va_start(ap, types);
	if (r >= 0)
		r = sd_bus_message_appendv(m, types, ap);
	va_end(ap);
	if (r >= 0)
		r = tell(s, name, m);
	if (r < 0)
		log_warning("signal %s: %s", name, strerror(-r));
	return r;
}

static void on_switched(void *arg, const char *from, const char *to,
			uint64_t generation, const char *cause, uint64_t ns)
{
	log_info("switched from %s to %s: %s, %" PRIu64 " us",
		 *from ? from : "host", *to ? to : "host", cause, ns / 1000);
	emit(arg, "Switched", "sstst", from, to, generation, cause, ns);
}

static int append_lacks(struct devsignal *s, sd_bus_message *m, const char *vp)
{
	const struct vp *v = s->host ? roster_find(s->host->roster, vp) : NULL;
	const char *names[LACKS_MAX];
	size_t n = v && v->run ? lacks_of(s->host, v, names) : 0;
	int r = sd_bus_message_open_container(m, 'a', "s");

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append(m, "s", names[i]);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static void on_idle(void *arg, const char *vp)
{
	log_info("VP %s in front: no input for its idle-seconds", vp);
	emit(arg, "Idle", "s", vp);
}

static void on_start_failed(void *arg, const char *vp, const char *cause,
			    const struct err *why)
{
	emit(arg, "StartFailed", "ssss", vp, cause, err_code(why), why->text);
}

static void on_changed(void *arg, const char *vp, enum vpstate state,
		       const char *cause)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	struct devsignal *s = arg;
	int r;

	log_info("VP %s is %s: %s", vp, vpstate_name(state), cause);
	r = sd_bus_message_new_signal(s->bus, &m, BUS_DEVICE_PATH,
				      BUS_DEVICE_NAME, "Changed");
	if (r >= 0)
		r = sd_bus_message_append(m, "sss", vp, vpstate_name(state),
					  cause);
	if (r >= 0)
		r = append_lacks(s, m, vp);
	if (r >= 0)
		r = sd_bus_send(s->bus, m, NULL);
	if (r < 0)
		log_warning("signal Changed: %s", strerror(-r));
}

static void on_event(void *arg, const char *event, const char *vp,
		     enum cells_class cls, const struct backend_event *ev,
		     const char *cause)
{
	log_debug("%s: VP %s, class %s, pid %u (%s), count %u", event, vp,
		  cls < CELLS_CLASS_COUNT ? class_name(cls) : "none", ev->pid,
		  ev->comm, ev->count);
	emit(arg, "Event", "stsuuusus", event, ev->boot_ns, vp, (uint32_t)cls,
	     ev->pid, ev->uid, ev->comm, ev->count, cause);
}

static void on_revoked(void *arg, const struct host_revoked *cut, uint64_t ns,
		       const char *cause)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	struct devsignal *s = arg;
	int r;

	r = sd_bus_message_new_signal(s->bus, &m, BUS_DEVICE_PATH,
				      BUS_DEVICE_NAME, "Revoked");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(suuuu)");
	for (unsigned int i = 0; r >= 0 && i < cut->n; i++)
		r = sd_bus_message_append(
			m, "(suuuu)", cut->cut[i].vp, (uint32_t)cut->cut[i].cls,
			cut->cut[i].count.handles, cut->cut[i].count.mappings,
			cut->cut[i].count.kept);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "ts", ns, cause);
	if (r >= 0)
		r = tell(s, "Revoked", m);
	if (r < 0)
		log_warning("signal Revoked: %s", strerror(-r));
}

void devsignal_watch(struct devsignal *s, struct host_watch *ret)
{
	*ret = (struct host_watch){
		on_switched, on_changed,      on_event, on_revoked,
		on_idle,     on_start_failed, s
	};
}

void devsignal_set_host(struct devsignal *s, struct host *h)
{
	s->host = h;
}

int devsignal_new(sd_bus *bus, struct devsignal **ret, struct err *e)
{
	AUTO(devsignal_freep) struct devsignal *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(e, "tell what happens");
	s->bus = bus;
	r = audience_new(bus, &s->audience, e);
	if (r == 0)
		*ret = steal(s);
	return r;
}

void devsignal_free(struct devsignal *s)
{
	if (!s)
		return;
	audience_free(s->audience);
	free(s);
}

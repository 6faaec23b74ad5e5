/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus/bus_signal.h"

#include "cellsd/bus/signal_queue.h"
#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/lifecycle/unsupported_vp.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/class.h"
#include "lib/err.h"
#include "lib/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct bus_signal {
	sd_bus *bus;
	struct signal_queue *queue;
	const struct vp_table *vps; /* NULL while they are being opened */
	struct vp_data *vp_data;
};

/* What the audit must hear waits for it; of states policyd asks by itself. */
static int send_or_queue_signal(struct bus_signal *s, const char *name,
				sd_bus_message *m)
{
	if (strcmp(name, "Event") == 0 || strcmp(name, "Revoked") == 0 ||
	    strcmp(name, "StartFailed") == 0)
		return signal_queue_send(s->queue, m);
	return sd_bus_send(s->bus, m, NULL);
}

static int emit_device_signal(struct bus_signal *s, const char *name,
			      const char *types, ...)
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
		r = send_or_queue_signal(s, name, m);
	if (r < 0)
		log_warning("signal %s: %s", name, strerror(-r));
	return r;
}

static void on_foreground_switched(void *arg, const char *from, const char *to,
				   uint64_t generation, const char *cause,
				   uint64_t ns)
{
	log_info("switched from %s to %s: %s, %" PRIu64 " us",
		 *from ? from : "host", *to ? to : "host", cause, ns / 1000);
	emit_device_signal(arg, "Switched", "sstst", from, to, generation,
			   cause, ns);
}

static int append_unsupported(struct bus_signal *s, sd_bus_message *m,
			      const char *vp)
{
	const struct vp *v = s->vps ? vp_table_find_vp(s->vps, vp) : NULL;
	const char *names[UNSUPPORTED_VP_MAX];
	struct vp_data_info data;
	size_t n = 0;
	int r = sd_bus_message_open_container(m, 'a', "s");

	if (v && v->run) {
		vp_data_get_info(s->vp_data, v, &data);
		n = unsupported_vp_list_features(v, &data, names);
	}
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append(m, "s", names[i]);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static void on_vp_idle(void *arg, const char *vp)
{
	log_info("VP %s in front: no input for its idle-seconds", vp);
	emit_device_signal(arg, "Idle", "s", vp);
}

static void on_vp_start_failed(void *arg, const char *vp, const char *cause,
			       const struct err *why)
{
	emit_device_signal(arg, "StartFailed", "ssss", vp, cause, err_code(why),
			   why->text);
}

static void on_vp_state_changed(void *arg, const char *vp, enum vp_state state,
				const char *cause)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	struct bus_signal *s = arg;
	int r;

	log_info("VP %s is %s: %s", vp, vp_state_name(state), cause);
	r = sd_bus_message_new_signal(s->bus, &m, BUS_DEVICE_PATH,
				      BUS_DEVICE_NAME, "Changed");
	if (r >= 0)
		r = sd_bus_message_append(m, "sss", vp, vp_state_name(state),
					  cause);
	if (r >= 0)
		r = append_unsupported(s, m, vp);
	if (r >= 0)
		r = sd_bus_send(s->bus, m, NULL);
	if (r < 0)
		log_warning("signal Changed: %s", strerror(-r));
}

static void on_device_event(void *arg, const char *event, const char *vp,
			    enum cells_class cls,
			    const struct backend_event *ev, const char *cause)
{
	log_debug("%s: VP %s, class %s, pid %u (%s), count %u", event, vp,
		  cls < CELLS_CLASS_COUNT ? class_name(cls) : "none", ev->pid,
		  ev->comm, ev->count);
	emit_device_signal(arg, "Event", "stsuuusus", event, ev->boot_ns, vp,
			   (uint32_t)cls, ev->pid, ev->uid, ev->comm, ev->count,
			   cause);
}

static void on_handles_revoked(void *arg, const struct host_revoked *revoked,
			       uint64_t ns, const char *cause)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	struct bus_signal *s = arg;
	int r;

	r = sd_bus_message_new_signal(s->bus, &m, BUS_DEVICE_PATH,
				      BUS_DEVICE_NAME, "Revoked");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(suuuu)");
	for (unsigned int i = 0; r >= 0 && i < revoked->n; i++)
		r = sd_bus_message_append(m, "(suuuu)", revoked->row[i].vp,
					  (uint32_t)revoked->row[i].cls,
					  revoked->row[i].count.handles,
					  revoked->row[i].count.mappings,
					  revoked->row[i].count.kept);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "ts", ns, cause);
	if (r >= 0)
		r = send_or_queue_signal(s, "Revoked", m);
	if (r < 0)
		log_warning("signal Revoked: %s", strerror(-r));
}

void bus_signal_get_callbacks(struct bus_signal *s, struct host_callbacks *ret)
{
	*ret = (struct host_callbacks){ on_foreground_switched,
					on_vp_state_changed,
					on_device_event,
					on_handles_revoked,
					on_vp_idle,
					on_vp_start_failed,
					s };
}

void bus_signal_set_vps(struct bus_signal *s, const struct vp_table *vps,
			struct vp_data *data)
{
	s->vps = vps;
	s->vp_data = data;
}

int bus_signal_new(sd_bus *bus, struct bus_signal **ret, struct err *e)
{
	AUTO(bus_signal_freep) struct bus_signal *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(e, "send a signal");
	s->bus = bus;
	r = signal_queue_new(bus, &s->queue, e);
	if (r == 0)
		*ret = steal(s);
	return r;
}

void bus_signal_free(struct bus_signal *s)
{
	if (!s)
		return;
	signal_queue_free(s->queue);
	free(s);
}

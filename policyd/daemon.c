/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/daemon.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "policyd/bus/connection.h"
#include "policyd/bus/device_client.h"
#include "policyd/bus/device_signals.h"
#include "policyd/bus/service.h"
#include "policyd/cellsd_state.h"
#include "policyd/command.h"
#include "policyd/device_events.h"
#include "policyd/enroll.h"
#include "policyd/layer/layer_download.h"
#include "policyd/layer/layer_store.h"
#include "policyd/loader.h"
#include "policyd/methods.h"
#include "policyd/periodic.h"
#include "policyd/policyd.h"
#include "policyd/reconcile.h"
#include "policyd/schedule.h"
#include "policyd/staging.h"
#include "policyd/unenroll.h"

#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* Secure time goes on from what was saved, and the new start is saved at once:
 * starts that follow each other quickly must each count. */
static void save_start_time(struct policyd *p)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct err e;
	int r = store_begin(p->store, true, &tx, &e);

	if (r == 0)
		r = policyd_save_time(p, &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		log_error("save secure time: %s", e.text);
}

/*
 * A time that cannot be read ends the start: it would begin at 0, and so be
 * saved. One that cannot be saved, on a full disk, goes on from the last.
 */
static int load_secure_time(struct policyd *p, struct err *e)
{
	auto_free char *saved = NULL;
	char boot[40];
	int r = store_get_text(p->store, STORE_TIME, "", &saved, e);

	if (r < 0)
		return r;
	secure_time_read_boot_id(boot);
	secure_time_start(&p->time, saved, boot, clock_boot_ns(), clock_wall());
	save_start_time(p);
	return 0;
}

/* What was under way when the last run ended. None of it keeps the daemon from
 * running: what does not work is tried again with the ticks. */
static void resume_pending_work(struct policyd *p)
{
	struct err e;
	int lost = layer_store_verify_layers(p->layers, p->store,
					     &p->state.in_force, &e);

	if (lost < 0)
		log_error("check layers: %s", e.text);
	if ((lost > 0 || p->state.in_force.is_partial) &&
	    staging_restage(p, &e) < 0)
		log_error("await what is in force: %s", e.text);
	layer_download_resume(p->download);
	/* All may have been here when the last run ended. */
	if (staging_retry(p, &e) < 0)
		log_error("activate: %s", e.text);
}

static int on_layer_complete(void *arg, struct err *e)
{
	return staging_retry(arg, e);
}

static int open_image(struct policyd *p, const struct daemon_options *o,
		      struct err *e)
{
	const struct layer_download_options options = {
		.event = p->event,
		.layers = p->layers,
		.state = &p->state,
		.recorder = &p->recorder,
		.reserve = o->storage_reserve,
		.complete = on_layer_complete,
		.arg = p,
	};

	return layer_download_new(&options, &p->download, e);
}

static void on_vp_ended(void *arg, const char *cause)
{
	reconcile_push_state(arg, cause);
}

static int open_commands(struct policyd *p, struct err *e)
{
	const struct command_queue_options options = {
		.recorder = &p->recorder,
		.state = &p->state,
		.cellsd = p->cellsd,
		.device = p->device,
		.ended = on_vp_ended,
		.arg = p,
	};

	return command_new(&options, &p->commands, e);
}

static void on_window_change(void *arg)
{
	reconcile_push_state(arg, "window");
}

static int open_schedule(struct policyd *p, struct err *e)
{
	const struct schedule_options options = {
		.event = p->event,
		.in_force = &p->state.in_force,
		.time = &p->time,
		.changed = on_window_change,
		.arg = p,
	};

	return schedule_new(&options, &p->schedule, e);
}

static int on_pending(void *arg, const char *word)
{
	return connection_signal_pending(arg, word);
}

static int open_components(struct policyd *p, const struct daemon_options *o,
			   struct err *e)
{
	int r = sd_event_default(&p->event);

	if (r < 0)
		return err_sys(e, -r, "make the event loop");
	r = connection_open(p->event, &p->connection, e);
	if (r < 0)
		return r;
	p->pending.send = on_pending;
	p->pending.arg = p->connection;
	p->pending.event = p->event;
	r = layer_store_new(p->dir, &p->layers, e);
	if (r == 0)
		r = open_image(p, o, e);
	if (r == 0)
		r = enroll_new(p, &p->enroll, e);
	if (r == 0)
		r = unenroll_new(p, &p->unenroll, e);
	if (r == 0)
		r = cellsd_state_new(p->store, &p->cellsd, e);
	if (r == 0)
		r = device_client_new(p->connection, &p->device, e);
	if (r == 0)
		r = open_commands(p, e);
	if (r == 0)
		r = reconcile_new(p, &p->reconcile, e);
	if (r == 0)
		r = device_events_subscribe(p, e);
	if (r == 0)
		r = open_schedule(p, e);
	if (r == 0)
		r = periodic_new(p, &p->periodic, e);
	return r < 0 ? r : methods_open(p, e);
}

int daemon_new(const struct daemon_options *o, struct policyd **ret,
	       struct err *e)
{
	AUTO(daemon_freep) struct policyd *p = calloc(1, sizeof(*p));
	int r;

	if (!p || !(p->dir = strdup(o->state_dir)))
		return err_oom(e, "start");
	r = io_mkdirs(p->dir, 0700, e);
	if (r == 0)
		r = store_open(p->dir, &p->store, e);
	if (r < 0)
		return r;
	policyd_init_recorder(p);
	r = load_secure_time(p, e);
	if (r == 0)
		r = loader_load_state(&p->recorder, &p->identity, &p->state, e);
	if (r == 0)
		r = open_components(p, o, e);
	if (r < 0)
		return r;
	schedule_arm_timer(p->schedule);
	resume_pending_work(p);
	*ret = steal(p);
	return 0;
}

int daemon_run(struct policyd *p, struct err *e)
{
	static const int ends[] = { SIGTERM, SIGINT };
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(ends); i++)
		r = sd_event_add_signal(p->event, NULL, ends[i], NULL, NULL);
	if (r >= 0)
		r = sd_event_set_watchdog(p->event, true);
	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(p->event);
	}
	return r < 0 ? err_sys(e, -r, "run the event loop") : 0;
}

void daemon_free(struct policyd *p)
{
	if (!p)
		return;
	periodic_free(p->periodic);
	schedule_free(p->schedule);
	pending_fini(&p->pending);
	connection_close(p->connection);
	service_free(p->service);
	device_signals_free(p->signals);
	device_client_free(p->device);
	reconcile_free(p->reconcile);
	cellsd_state_free(p->cellsd);
	unenroll_free(p->unenroll);
	enroll_free(p->enroll);
	command_free(p->commands);
	layer_download_free(p->download);
	layer_store_free(p->layers);
	policyd_unload(p);
	store_close(p->store);
	sd_event_unref(p->event);
	free(p->dir);
	free(p);
}

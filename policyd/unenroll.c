/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/unenroll.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "policyd/cellsd_client.h"
#include "policyd/enroll.h"
#include "policyd/policyd.h"

#include <string.h>

struct unenroll {
	struct policyd *p;
	sd_bus_message *call; /* NULL: nobody waits for the end of one */
	bool is_wiping;
};

int unenroll_new(struct policyd *p, struct unenroll **ret, struct err *e)
{
	struct unenroll *d = calloc(1, sizeof(*d));

	if (!d)
		return err_oom(e, "reset");
	d->p = p;
	*ret = d;
	return 0;
}

void unenroll_free(struct unenroll *d)
{
	if (!d)
		return;
	sd_bus_message_unref(d->call);
	free(d);
}

static void finish_unenrollment(struct unenroll *d)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct policyd *p = d->p;
	struct err e;
	int r = store_begin(p->store, true, &tx, &e);

	if (r == 0)
		r = store_clear_all(p->store, &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r == 0) {
		policyd_unload(p);
		p->time = (struct secure_time){ 0 };
		secure_time_read_boot_id(p->time.boot);
		log_info("this device has left its organisation");
	} else {
		log_error("reset: %s", e.text);
	}
	if (d->call) {
		if (r == 0)
			sd_bus_reply_method_return(d->call, "");
		else
			bus_reply_err(d->call, &e);
	}
	d->call = sd_bus_message_unref(d->call);
	if (r == 0)
		pending_signal(&p->pending, "hello");
}

static void wipe_next_vp(struct unenroll *d);

static int on_wipe_answer(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct unenroll *d = arg;
	struct err e;

	d->is_wiping = false;
	if (sd_bus_message_is_method_error(m, NULL)) {
		bus_convert_error(sd_bus_message_get_error(m), 0, "wipe", &e);
		log_warning("reset: %s", e.text);
		return 0; /* the next tick goes on */
	}
	wipe_next_vp(d);
	return 0;
}

/* One row of List; *ret is the VP's name if there is something to wipe. */
static int read_remaining_vp(sd_bus_message *m, char ret[DOC_ID_SIZE])
{
	auto_json json_t *o = NULL;
	const char *name, *state;
	int r = sd_bus_message_read(m, "s", &name);

	if (r >= 0)
		r = cellsd_client_read_dictionary(m, &o);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;
	state = json_string_value(json_object_get(o, "state"));
	if (!state || strcmp(state, "absent") != 0)
		snprintf(ret, DOC_ID_SIZE, "%s", name);
	return 0;
}

/* 1: a VP is left; 0: none is. */
static int find_remaining_vp(sd_bus_message *m, char ret[DOC_ID_SIZE])
{
	int r = sd_bus_message_enter_container(m, 'a', "(sa{sv})");

	if (r < 0)
		return r;
	for (;;) {
		r = sd_bus_message_enter_container(m, 'r', "sa{sv}");
		if (r > 0)
			r = read_remaining_vp(m, ret);
		else
			return r;
		if (r < 0 || *ret)
			return r < 0 ? r : 1;
	}
}

/* The same id for as long as this reset lasts, and another for the next. */
static void format_wipe_id(struct unenroll *d, const char *vp,
			   char ret[DOC_ID_SIZE])
{
	snprintf(ret, DOC_ID_SIZE, "reset-%08x-%.48s",
		 (unsigned int)store_get_int_or_default(d->p->store,
							STORE_RESETTING, 0),
		 vp);
}

/* List's answer: the first VP that is still there is wiped. */
static int on_remaining_vps(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	char id[DOC_ID_SIZE], vp[DOC_ID_SIZE] = "";
	struct unenroll *d = arg;
	int r;

	d->is_wiping = false;
	if (sd_bus_message_is_method_error(m, NULL))
		return 0;
	r = find_remaining_vp(m, vp);
	if (r == 0)
		finish_unenrollment(d);
	if (r <= 0)
		return 0; /* what could not be read is asked for again */
	format_wipe_id(d, vp, id);
	if (cellsd_client_new_message(d->p->cellsd, "Wipe", &call) >= 0 &&
	    sd_bus_message_append(call, "ss", vp, id) >= 0 &&
	    cellsd_client_call_async(d->p->cellsd, call, on_wipe_answer, d) >=
		    0)
		d->is_wiping = true;
	return 0;
}

static void wipe_next_vp(struct unenroll *d)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;

	if (d->is_wiping || !cellsd_client_is_ready(d->p->cellsd))
		return;
	if (cellsd_client_new_message(d->p->cellsd, "List", &m) >= 0 &&
	    cellsd_client_call_async(d->p->cellsd, m, on_remaining_vps, d) >= 0)
		d->is_wiping = true;
}

int unenroll_begin(struct policyd *p, sd_bus_message *call, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct unenroll *d = p->unenroll;
	uint32_t nonce;
	int r;

	hash_random(&nonce, sizeof(nonce));
	nonce |= 1;
	if (enroll_is_in_progress(p) || d->call)
		return err_reason(e, REASON_BUSY,
				  "reset: an enrollment or reset is under way");
	if (!cellsd_client_is_ready(p->cellsd))
		return err_reason(e, REASON_BUSY,
				  "reset: cellsd is not there to wipe the VPs");
	/* Written first: a power cut does not save a VP. */
	r = store_begin(p->store, true, &tx, e);
	if (r == 0)
		r = store_set_int(p->store, STORE_RESETTING, nonce, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	d->call = sd_bus_message_ref(call);
	wipe_next_vp(d);
	return 0;
}

void unenroll_continue(struct policyd *p)
{
	if (store_get_int_or_default(p->store, STORE_RESETTING, 0))
		wipe_next_vp(p->unenroll);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/unenroll.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "policyd/bus/device_client.h"
#include "policyd/bus/reply.h"
#include "policyd/cellsd_state.h"
#include "policyd/enroll.h"
#include "policyd/policyd.h"

#include <string.h>

struct unenroll {
	struct policyd *p;
	struct reply *reply; /* NULL: nobody waits for the end of one */
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
	reply_free(d->reply);
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
	if (d->reply && r < 0)
		reply_send_error(d->reply, &e);
	else if (d->reply && reply_send_nothing(d->reply, &e) < 0)
		log_error("reset: %s", e.text);
	reply_free(d->reply);
	d->reply = NULL;
	if (r == 0)
		pending_signal(&p->pending, "hello");
}

static void wipe_next_vp(struct unenroll *d);

static void on_wipe_answer(void *arg, const struct device_answer *a)
{
	struct unenroll *d = arg;

	d->is_wiping = false;
	if (a->result == DEVICE_DONE)
		wipe_next_vp(d);
	else
		log_warning("reset: %s",
			    a->why.text); /* the next tick goes on */
}

static const char *find_remaining_vp(const struct device_answer *a)
{
	for (size_t i = 0; i < a->n_vps; i++)
		if (!a->vps[i].state || strcmp(a->vps[i].state, "absent") != 0)
			return a->vps[i].name;
	return NULL;
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
static void on_remaining_vps(void *arg, const struct device_answer *a)
{
	struct unenroll *d = arg;
	const struct device_call call = { .what = "wipe",
					  .done = on_wipe_answer,
					  .arg = d };
	struct device_command wipe = { .method = "Wipe",
				       .output = DEVICE_NOTHING };
	char id[DOC_ID_SIZE];

	d->is_wiping = false;
	if (a->result != DEVICE_DONE)
		return; /* it is asked for again */
	wipe.vp = find_remaining_vp(a);
	if (!wipe.vp) {
		finish_unenrollment(d);
		return;
	}
	format_wipe_id(d, wipe.vp, id);
	wipe.id = id;
	d->is_wiping =
		device_client_run_command(d->p->device, &wipe, &call) == 0;
}

static void wipe_next_vp(struct unenroll *d)
{
	const struct device_call call = { .what = "list VPs",
					  .done = on_remaining_vps,
					  .arg = d };

	if (d->is_wiping || !cellsd_state_is_ready(d->p->cellsd))
		return;
	d->is_wiping = device_client_list_vps(d->p->device, &call) == 0;
}

int unenroll_begin(struct policyd *p, struct reply **reply, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct unenroll *d = p->unenroll;
	uint32_t nonce;
	int r;

	hash_random(&nonce, sizeof(nonce));
	nonce |= 1;
	if (enroll_is_in_progress(p) || d->reply)
		return err_reason(e, REASON_BUSY,
				  "reset: an enrollment or reset is under way");
	if (!cellsd_state_is_ready(p->cellsd))
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
	d->reply = steal(*reply);
	wipe_next_vp(d);
	return 0;
}

void unenroll_continue(struct policyd *p)
{
	if (store_get_int_or_default(p->store, STORE_RESETTING, 0))
		wipe_next_vp(p->unenroll);
}

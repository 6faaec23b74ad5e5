/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/policyd.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/key.h"
#include "lib/log.h"

#include <string.h>

#define SOON_USEC (200 * 1000)

int64_t policyd_now(const struct policyd *p)
{
	return securetime_now(&p->time, clock_boot_ns());
}

int64_t policyd_stamp(const struct policyd *p)
{
	int64_t wall = clock_wall(), secure = policyd_now(p);

	return wall > secure ? wall : secure;
}

int policyd_save_time(struct policyd *p, struct err *e)
{
	char text[SECURETIME_TEXT_SIZE];

	securetime_text(&p->time, clock_boot_ns(), text);
	return store_set_text(p->store, STORE_TIME, text, e);
}

const struct doc_root *policyd_root(const struct policyd *p)
{
	return doc_as_root(p->root);
}

void policyd_pending(struct policyd *p, const char *what)
{
	int r;

	if (!p->bus)
		return;
	r = sd_bus_emit_signal(p->bus, BUS_POLICY_PATH, BUS_POLICY_NAME,
			       "Pending", "s", what);
	if (r < 0)
		log_debug("signal Pending(%s): %s", what, strerror(-r));
}

static int on_soon(sd_event_source *s, uint64_t usec, void *arg)
{
	policyd_pending(arg, "audit");
	return 0;
}

void policyd_pending_soon(struct policyd *p)
{
	int on = SD_EVENT_OFF;

	if (!p->event)
		return;
	if (!p->soon) {
		sd_event_add_time_relative(p->event, &p->soon, CLOCK_MONOTONIC,
					   SOON_USEC, 0, on_soon, p);
		return;
	}
	if (sd_event_source_get_enabled(p->soon, &on) < 0 || on != SD_EVENT_OFF)
		return;
	sd_event_source_set_time_relative(p->soon, SOON_USEC);
	sd_event_source_set_enabled(p->soon, SD_EVENT_ONESHOT);
}

/* ---- what is held */
/* Text of an accepted envelope; its signatures were tested when it came. */
static int parse_held(enum doc_type type, const char *text, struct doc **ret,
		      struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	int r = envelope_parse(text, strlen(text), &env, e);

	return r < 0 ? r
		     : doc_parse(type, env->payload, env->payload_len, ret, e);
}

static int load_document(void *ctx, enum doc_type type, const char *text,
			 struct err *e)
{
	struct doc *d;
	int r = parse_held(type, text, &d, e);

	return r < 0 ? r : held_take(ctx, d, e);
}

static int load_snapshot(struct policyd *p, const char *name,
			 struct snapshot **ret, struct err *e)
{
	auto_free char *text = NULL;
	int r = store_text(p->store, name, &text, e);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : snapshot_parse(text, strlen(text), ret, e);
}

/* Documents that came for the staged snapshot before the restart. Only those:
 * what lies here for other reasons was not tested against this one. */
static int load_staged(struct policyd *p, struct err *e)
{
	int r = load_snapshot(p, STORE_STAGED, &p->staged, e);

	for (unsigned int i = 0; r == 0 && p->staged && i < p->staged->n; i++) {
		const struct snapshot_entry *n = &p->staged->entry[i];
		struct held_doc *d = held_by_digest(&p->force, n->digest);
		auto_free char *text = NULL;

		if (d)
			r = held_share(&p->staged_docs, d, e);
		else if (store_is_accepted(p->store, n->digest)) {
			r = store_get_document(p->store, n->digest, &text, e);
			if (r == 0)
				r = load_document(&p->staged_docs, n->type,
						  text, e);
		}
	}
	return r;
}

static int load_root(struct policyd *p, struct err *e)
{
	auto_free char *text = NULL;
	int r = store_get_root(p->store, &text, e);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : parse_held(DOC_ROOT, text, &p->root, e);
}

static int load_word(struct policyd *p, const char *name, char *ret,
		     size_t size, struct err *e)
{
	auto_free char *text = NULL;
	int r = store_text(p->store, name, &text, e);

	if (r < 0)
		return r;
	snprintf(ret, size, "%s", text);
	return 0;
}

static int load_identity(struct policyd *p, struct err *e)
{
	auto_free char *pem = NULL;
	int r = store_text(p->store, STORE_KEY, &pem, e);

	if (r == 0)
		r = key_from_pem(pem, &p->key, e);
	if (r == 0)
		r = load_word(p, STORE_DEVICE, p->device_id,
			      sizeof(p->device_id), e);
	if (r == 0)
		r = load_word(p, STORE_EPOCH, p->epoch, sizeof(p->epoch), e);
	if (r == 0)
		r = load_word(p, STORE_ORG, p->org, sizeof(p->org), e);
	if (pem)
		explicit_bzero(pem, strlen(pem));
	return r;
}

int policyd_load(struct policyd *p, struct err *e)
{
	int r = load_root(p, e);

	if (r < 0 || !p->root)
		return r;
	r = load_identity(p, e);
	if (r == 0)
		r = store_each_in_force(p->store, load_document, &p->force, e);
	if (r == 0)
		r = load_snapshot(p, STORE_SNAPSHOT, &p->snapshot, e);
	return r < 0 ? r : load_staged(p, e);
}

void policyd_unload(struct policyd *p)
{
	doc_free(p->root);
	p->root = NULL;
	key_free(p->key);
	p->key = NULL;
	p->device_id[0] = p->epoch[0] = p->org[0] = '\0';
	held_fini(&p->staged_docs);
	held_fini(&p->force);
	free(p->snapshot);
	free(p->staged);
	p->snapshot = p->staged = NULL;
	p->staged_blocked = false;
	p->window.until_ns = 0;
}

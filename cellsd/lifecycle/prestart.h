/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VPs that are made ahead of their start (launch.h), while the daemon has
 * nothing else to do: those that ended last, up to a number. It is a matter of
 * time only: a VP that is not prepared starts all the same. A prepared VP holds
 * its data in use: what locks, wipes or changes its parts discards
 * it first.
 */
#ifndef CELLSD_LIFECYCLE_PRESTART_H
#define CELLSD_LIFECYCLE_PRESTART_H

#include <stdbool.h>
#include <systemd/sd-event.h>

struct err;
struct launch;
struct prestart;
struct vp;

#define PRESTART_LIMIT 1
#define PRESTART_LIMIT_MAX 64

/* At most `limit` VPs, once prestart_begin() was called; 0: none. */
int prestart_new(const struct launch *l, sd_event *loop, unsigned int limit,
		 struct prestart **ret, struct err *e);
int prestart_begin(struct prestart *p, struct err *e);
/* Discards all. */
void prestart_free(struct prestart *p);

/* Something changed: looks what there is to prepare, in a moment. */
void prestart_schedule(struct prestart *p);

/* One that is not prepared is not an error. */
void prestart_discard_vp(struct prestart *p, struct vp *v);
/* The part of it that matters at once: its data is not in use any more. */
void prestart_kill_vp(struct vp *v);
/* Discards what would be made otherwise now: by another config, or not. */
void prestart_discard_outdated(struct prestart *p);
/* Memory is short: discards all, and rests. False: there was none. */
bool prestart_release_memory(struct prestart *p);

#endif

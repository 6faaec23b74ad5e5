/* SPDX-License-Identifier: Apache-2.0 */
/* A VP's life from start to end, also over restarts of the daemon. */
#ifndef CELLSD_LIFECYCLE_RUNNING_H
#define CELLSD_LIFECYCLE_RUNNING_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct err;
struct foreground;
struct host_callbacks;
struct key_eviction;
struct ksm;
struct launch;
struct module_autoload;
struct prestart;
struct vp;

struct running {
	const struct launch *launch;
	struct foreground *foreground;
	const struct key_eviction *key_eviction;
	struct prestart *prestart;
	const struct module_autoload *module_autoload;
	struct ksm *ksm; /* NULL: none */
	const struct host_callbacks *callbacks;
	sd_event *loop;
	uint64_t stop_ms; /* from the stop signal to the kill */
};

/* err.vp-state. A VP that runs already is not an error. */
int running_start_vp(struct running *u, struct vp *v, const char *cause,
		     struct err *e);

/*
 * Ends it: by its stop signal and, when that does not do in time, by force; or
 * by force at once. What follows its end (state, waiters) is done then. `cause`
 * is kept.
 */
void running_stop_vp(struct running *u, struct vp *v, bool force,
		     const char *cause);

/* After a restart: finds what runs of v. Removes what is left of a dead one. It
 * fails when which it is cannot be known. */
int running_adopt_vp(struct running *u, struct vp *v, struct err *e);

/* After the backend is there: holds v to it, and watches it. */
int running_resume_vp(struct running *u, struct vp *v, struct err *e);

/* Its console's output is dropped while nobody has it. */
void running_drain_console(struct vp *v, bool on);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a VP, and what may happen in each, as one table:
 *   absent -> installed -> stopped <-> background <-> foreground
 *   background | foreground -> stopped -> locked -> stopped
 *   any -> wiping -> absent
 */
#ifndef CELLSD_VP_STATE_H
#define CELLSD_VP_STATE_H

#define VPSTATES(X)                                                            \
	X(ABSENT, "absent")                                                    \
	X(INSTALLED, "installed")                                              \
	X(STOPPED, "stopped")                                                  \
	X(BACKGROUND, "background")                                            \
	X(FOREGROUND, "foreground") X(LOCKED, "locked") X(WIPING, "wiping")
enum vpstate {
#define VPSTATE_SYMBOL(s, w) VPSTATE_##s,
	VPSTATES(VPSTATE_SYMBOL)
#undef VPSTATE_SYMBOL
		VPSTATE_COUNT,
};

enum vpevent {
	VPEVENT_INSTALL, /* named in the desired state */
	VPEVENT_START,
	VPEVENT_FRONT, /* comes to the front */
	VPEVENT_BACK,  /* leaves it */
	VPEVENT_END,   /* its last process ended */
	VPEVENT_LOCK,
	VPEVENT_UNLOCK,
	VPEVENT_WIPE,
	VPEVENT_ERASED,
	VPEVENT_COUNT,
};

const char *vpstate_name(enum vpstate s);
/* VPSTATE_COUNT: there is no such state. */
enum vpstate vpstate_from_name(const char *name);

/* The state after the event, or VPSTATE_COUNT: not allowed. */
enum vpstate vpstate_next(enum vpstate s, enum vpevent ev);

/* Has (or may still have) processes. */
int vpstate_runs(enum vpstate s);

#endif

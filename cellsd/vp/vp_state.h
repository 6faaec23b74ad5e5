/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a VP, and what may happen in each, as one table:
 *   absent -> installed -> stopped <-> background <-> foreground
 *   background | foreground -> stopped -> locked -> stopped
 *   any -> wiping -> absent
 */
#ifndef CELLSD_VP_VP_STATE_H
#define CELLSD_VP_VP_STATE_H

#define VP_STATES(X)                                                           \
	X(ABSENT, "absent")                                                    \
	X(INSTALLED, "installed")                                              \
	X(STOPPED, "stopped")                                                  \
	X(BACKGROUND, "background")                                            \
	X(FOREGROUND, "foreground") X(LOCKED, "locked") X(WIPING, "wiping")
enum vp_state {
#define VP_STATE_SYMBOL(s, w) VP_STATE_##s,
	VP_STATES(VP_STATE_SYMBOL)
#undef VP_STATE_SYMBOL
		VP_STATE_COUNT,
};

enum vp_event {
	VP_EVENT_INSTALL, /* named in the desired state */
	VP_EVENT_START,
	VP_EVENT_FOREGROUND, /* comes to the front */
	VP_EVENT_BACKGROUND, /* leaves it */
	VP_EVENT_END,	     /* its last process ended */
	VP_EVENT_LOCK,
	VP_EVENT_UNLOCK,
	VP_EVENT_WIPE,
	VP_EVENT_ERASED,
	VP_EVENT_COUNT,
};

const char *vp_state_name(enum vp_state s);
/* VP_STATE_COUNT: there is no such state. */
enum vp_state vp_state_parse(const char *name);

/* The state after the event, or VP_STATE_COUNT: not allowed. */
enum vp_state vp_state_after_event(enum vp_state s, enum vp_event ev);

/* Has (or may still have) processes. */
int vp_state_is_running(enum vp_state s);

#endif

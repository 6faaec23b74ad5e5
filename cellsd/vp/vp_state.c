/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/vp_state.h"

#include <string.h>

static const char *const names[VP_STATE_COUNT] = {
#define VP_STATE_NAME(s, w) [VP_STATE_##s] = w,
	VP_STATES(VP_STATE_NAME)
#undef VP_STATE_NAME
};

#define NO VP_STATE_COUNT
#define ABS VP_STATE_ABSENT
#define INS VP_STATE_INSTALLED
#define STO VP_STATE_STOPPED
#define BAC VP_STATE_BACKGROUND
#define FOR VP_STATE_FOREGROUND
#define LOC VP_STATE_LOCKED
#define WIP VP_STATE_WIPING

/* An event that finds its work done keeps the state: a call may be repeated. */
static const unsigned char table[VP_STATE_COUNT][VP_EVENT_COUNT] = {
	/*         INSTALL START FRONT BACK END  LOCK UNLOCK WIPE ERASED */
	[ABS] = { INS, NO, NO, NO, NO, NO, NO, NO, NO },
	[INS] = { INS, BAC, NO, NO, INS, LOC, INS, WIP, NO },
	[STO] = { STO, BAC, NO, NO, STO, LOC, STO, WIP, NO },
	[BAC] = { BAC, BAC, FOR, BAC, STO, LOC, BAC, WIP, NO },
	[FOR] = { FOR, FOR, FOR, BAC, STO, NO, FOR, NO, NO },
	[LOC] = { LOC, NO, NO, NO, LOC, LOC, STO, WIP, NO },
	[WIP] = { WIP, NO, NO, NO, WIP, NO, NO, WIP, ABS },
};

const char *vp_state_name(enum vp_state s)
{
	return names[s];
}

enum vp_state vp_state_parse(const char *name)
{
	enum vp_state s = 0;

	while (s < VP_STATE_COUNT && strcmp(names[s], name) != 0)
		s++;
	return s;
}

enum vp_state vp_state_after_event(enum vp_state s, enum vp_event ev)
{
	return table[s][ev];
}

int vp_state_is_running(enum vp_state s)
{
	return s == VP_STATE_BACKGROUND || s == VP_STATE_FOREGROUND;
}

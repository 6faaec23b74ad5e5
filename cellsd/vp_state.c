/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp_state.h"

#include <string.h>

static const char *const names[VPSTATE_COUNT] = {
#define VPSTATE_NAME(s, w) [VPSTATE_##s] = w,
	VPSTATES(VPSTATE_NAME)
#undef VPSTATE_NAME
};

#define NO VPSTATE_COUNT
#define ABS VPSTATE_ABSENT
#define INS VPSTATE_INSTALLED
#define STO VPSTATE_STOPPED
#define BAC VPSTATE_BACKGROUND
#define FOR VPSTATE_FOREGROUND
#define LOC VPSTATE_LOCKED
#define WIP VPSTATE_WIPING

/* An event that finds its work done keeps the state: a call may be repeated. */
static const unsigned char table[VPSTATE_COUNT][VPEVENT_COUNT] = {
	/*         INSTALL START FRONT BACK END  LOCK UNLOCK WIPE ERASED */
	[ABS] = { INS, NO, NO, NO, NO, NO, NO, NO, NO },
	[INS] = { INS, BAC, NO, NO, INS, LOC, INS, WIP, NO },
	[STO] = { STO, BAC, NO, NO, STO, LOC, STO, WIP, NO },
	[BAC] = { BAC, BAC, FOR, BAC, STO, LOC, BAC, WIP, NO },
	[FOR] = { FOR, FOR, FOR, BAC, STO, NO, FOR, NO, NO },
	[LOC] = { LOC, NO, NO, NO, LOC, LOC, STO, WIP, NO },
	[WIP] = { WIP, NO, NO, NO, WIP, NO, NO, WIP, ABS },
};

const char *vpstate_name(enum vpstate s)
{
	return names[s];
}

enum vpstate vpstate_from_name(const char *name)
{
	enum vpstate s = 0;

	while (s < VPSTATE_COUNT && strcmp(names[s], name) != 0)
		s++;
	return s;
}

enum vpstate vpstate_next(enum vpstate s, enum vpevent ev)
{
	return table[s][ev];
}

int vpstate_runs(enum vpstate s)
{
	return s == VPSTATE_BACKGROUND || s == VPSTATE_FOREGROUND;
}

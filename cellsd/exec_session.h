/* SPDX-License-Identifier: Apache-2.0 */
/* Root's visits to VPs over the bus: programs under way, and consoles in use.
 */
#ifndef CELLSD_EXEC_SESSION_H
#define CELLSD_EXEC_SESSION_H

#include <systemd/sd-bus.h>

struct err;
struct guests;
struct host;
struct vp;

int guests_new(struct host *h, struct guests **ret, struct err *e);
void guests_free(struct guests *g);

/* The rest of Exec's arguments; answers when the program has ended. */
int guest_exec(struct guests *g, struct vp *v, sd_bus_message *m,
	       struct err *e);

/* Answers with the console; until the caller leaves the bus it is theirs. */
int guest_console(struct guests *g, struct vp *v, sd_bus_message *m,
		  struct err *e);

#endif

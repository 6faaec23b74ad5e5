/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that root runs in VPs over the bus, and consoles in use. */
#ifndef CELLSD_BUS_EXEC_SESSION_H
#define CELLSD_BUS_EXEC_SESSION_H

#include <systemd/sd-bus.h>

struct confinement;
struct err;
struct exec_session_list;
struct vp;
struct vp_table;

/* Borrows all. */
int exec_session_list_new(const struct confinement *c,
			  const struct vp_table *vps, sd_event *loop,
			  struct exec_session_list **ret, struct err *e);
void exec_session_list_free(struct exec_session_list *g);

/* The rest of Exec's arguments; answers when the program has ended. */
int exec_session_run(struct exec_session_list *g, struct vp *v,
		     sd_bus_message *m, struct err *e);

/* Answers with the console; until the caller leaves the bus it is theirs. */
int exec_session_open_console(struct exec_session_list *g, struct vp *v,
			      sd_bus_message *m, struct err *e);

#endif

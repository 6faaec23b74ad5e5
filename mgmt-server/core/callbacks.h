/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MGMT_SERVER_CORE_CALLBACKS_H
#define MGMT_SERVER_CORE_CALLBACKS_H

#include <stdbool.h>

/* What the listener's loop does for the rest of the server; may be NULL in
 * tests. */
struct server_callbacks {
	void *ctx;
	/* The device channel has something to send, or must be closed. */
	void (*device_ready)(void *ctx, void *connection, bool close);
	/* Another connection has taken its place: it is ended, and if it is
	 * alive, device_messages_report_duplicate() is called before. */
	void (*device_replaced)(void *ctx, void *connection);
	/* To all that listen to /v1/events and may see the group. */
	void (*event)(void *ctx, const char *group, const char *text);
	/* Work is waiting: its hook is to be called soon. */
	void (*work)(void *ctx);
};

#endif

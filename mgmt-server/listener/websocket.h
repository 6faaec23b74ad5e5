/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets: the device channel and the administrators' events. */
#ifndef MGMT_SERVER_LISTENER_WEBSOCKET_H
#define MGMT_SERVER_LISTENER_WEBSOCKET_H

#include "mgmt-server/listener/listener_context.h"

int websocket_device_callback(struct lws *wsi, enum lws_callback_reasons reason,
			      void *user, void *in, size_t len);
int websocket_events_callback(struct lws *wsi, enum lws_callback_reasons reason,
			      void *user, void *in, size_t len);
/* May this upgrade go on? 0 yes, >0 refused with an answer, <0 hang up. */
int websocket_confirm_upgrade(struct listener_context *ed, struct lws *wsi,
			      bool is_device);
extern const size_t websocket_device_size, websocket_events_size;
/* Ends those whose token is gone or expired. */
void websocket_close_expired_subscribers(struct listener_context *ed);
/* For struct server_callbacks. */
void websocket_on_device_ready(void *ctx, void *connection, bool close);
void websocket_on_device_replaced(void *ctx, void *connection);
void websocket_queue_event(void *ctx, const char *group, const char *text);

#endif

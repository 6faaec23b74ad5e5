/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reason why a libwebsockets connection failed, in words. libwebsockets
 * reports a fault of the TLS peer only in its log, and the log is global to the
 * process. So this file captures the log, keeps the last TLS error and prints
 * nothing.
 */
#ifndef AGENT_LWS_ERROR_H
#define AGENT_LWS_ERROR_H

#include <stddef.h>
#include <stdint.h>

/* Captures the log; can be called again. */
void lws_error_capture(void);

/* Forgets the last error before a new connection. */
void lws_error_clear(void);

/*
 * Writes the reason and returns the (positive) errno for it. `said` is the text
 * of LWS_CALLBACK_CLIENT_CONNECTION_ERROR, or NULL if the call to connect
 * itself failed. Can take half a second.
 */
int lws_error_describe(const char *host, uint16_t port, const char *said,
		       char *ret, size_t size);

#endif

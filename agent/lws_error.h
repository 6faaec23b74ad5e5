/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a connection by libwebsockets did not come about, in words. It
 * distinguishes a TLS peer's fault only in its log, of which there is one for
 * the process; so that log is caught here, its last TLS complaint kept, and
 * nothing printed.
 */
#ifndef AGENT_LWS_ERROR_H
#define AGENT_LWS_ERROR_H

#include <stddef.h>
#include <stdint.h>

/* Takes over the log; may be called again. */
void lws_error_capture(void);

/* A new connection begins: forgets what was said so far. */
void lws_error_clear(void);

/*
 * Writes the reason, and returns the (positive) errno that means it.
 * `said` is what came with LWS_CALLBACK_CLIENT_CONNECTION_ERROR; NULL if the
 * call to connect itself failed. May take half a second.
 */
int lws_error_describe(const char *host, uint16_t port, const char *said,
		       char *ret, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libwebsockets says while it works. It has one log for the process, and
 * tells only there why a TLS peer was refused; so that log is caught here, its
 * last TLS complaint is kept for an error line, and nothing is printed.
 */
#ifndef LIB_LWSLOG_H
#define LIB_LWSLOG_H

/* Takes over the log; may be called again. */
void lwslog_catch(void);

/* Forgets what was said so far. */
void lwslog_clear(void);

/* "certificate has expired"; NULL: nothing was said about TLS since. */
const char *lwslog_tls(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one line for each message to stderr. After log_daemon(), each line
 * starts with the priority of sd-daemon(3) ("<3>"), which journald reads;
 * before, with the name of the program. Only the top-level handlers of programs
 * call this.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

/* Names the program; `name` must outlive the log. */
void log_open(const char *name);
/* Starts lines with priorities instead of the name. */
void log_daemon(void);
/* Enables log_debug(). */
void log_debug_on(void);
/*
 * Lines are cut after 1023 bytes, and control characters become spaces. errno
 * is preserved.
 */

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

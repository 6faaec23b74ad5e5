/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line a message on stderr. With log_daemon() each line starts with the
 * priority as sd-daemon(3) describes it ("<3>"), which journald reads; without,
 * with the program's name. Only top-level handlers of programs call this.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

/* Names the program; `name` must outlive the log. */
void log_open(const char *name);
/* From now on lines bear priorities instead of the name. */
void log_daemon(void);
/* log_debug() says nothing before this. */
void log_debug_on(void);
/* Lines are cut after 1023 bytes; control characters become spaces. errno
 * stays. */

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

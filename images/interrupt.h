/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT and SIGTERM without a handler: the signals are blocked, and long
 * operations check for them in their loops, so that they can clean up.
 */
#ifndef IMAGES_INTERRUPT_H
#define IMAGES_INTERRUPT_H

struct err;

void interrupt_block_signals(void);
/* Returns -EINTR after a signal has arrived, otherwise 0. */
int interrupt_check(struct err *e);

/*
 * Runs a program and waits for it. Its output goes to the file `log`; if its
 * exit status is not 0, the error contains the last line of the log. `env`
 * ("NAME=value", NULL ends; can be NULL) adds to a small fixed environment. A
 * signal kills the program.
 */
int interrupt_run_program(const char *const *argv, const char *const *env,
			  const char *log, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ^C and SIGTERM without a handler: they are held back, and long work asks in
 * its loops whether one came, so that it can clean up behind itself.
 */
#ifndef IMAGES_INTERRUPT_H
#define IMAGES_INTERRUPT_H

struct err;

void interrupt_block_signals(void);
/* 0, or -EINTR once a signal came. */
int interrupt_check(struct err *e);

/*
 * Runs a program and waits; its output goes to the file `log`, of which the
 * last line is in the message if it ends with anything but 0. `env`
 * ("NAME=value", NULL ends; may be NULL) adds to a small fixed environment. A
 * signal ends it.
 */
int interrupt_run_program(const char *const *argv, const char *const *env,
			  const char *log, struct err *e);

#endif

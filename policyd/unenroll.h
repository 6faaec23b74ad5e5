/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving the organisation (cellsctl reset): that it is wanted is written down,
 * every VP is wiped, then everything is forgotten. A power cut in between ends
 * nothing.
 */
#ifndef POLICYD_UNENROLL_H
#define POLICYD_UNENROLL_H

struct unenroll;
struct err;
struct policyd;
struct reply;

int unenroll_new(struct policyd *p, struct unenroll **ret, struct err *e);
void unenroll_free(struct unenroll *d);

/* Takes *reply, which is sent when it is over. err.busy: it, or an enrollment,
 * is under way, or cellsd is not there. */
int unenroll_begin(struct policyd *p, struct reply **reply, struct err *e);

/* Goes on with one that was started; called every few seconds. */
void unenroll_continue(struct policyd *p);

#endif

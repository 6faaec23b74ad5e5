/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the user's terminal and a VP's console. */
#ifndef CELLSD_CTLTERM_H
#define CELLSD_CTLTERM_H

struct err;

/* Until Ctrl-], end of input, or the end of the console. */
int ctlterm_join(int console, struct err *e);

#endif

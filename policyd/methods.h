/* SPDX-License-Identifier: Apache-2.0 */
/* What each method of org.cells.Policy1 does. */
#ifndef POLICYD_METHODS_H
#define POLICYD_METHODS_H

struct err;
struct policyd;

/* They can be called from now on. */
int methods_open(struct policyd *p, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is in front is seen: the module knows what the glass shows. */
#ifndef CELLSD_DEVNS_DISPLAY_H
#define CELLSD_DEVNS_DISPLAY_H

struct devnslink;
struct err;

/* -EBUSY: a program of the host shows something else; e says which and where.
 */
int devnsshow_check(struct devnslink *l, struct err *e);

#endif

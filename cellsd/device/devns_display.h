/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is in front is seen: the module knows what the glass shows. */
#ifndef CELLSD_DEVICE_DEVNS_DISPLAY_H
#define CELLSD_DEVICE_DEVNS_DISPLAY_H

struct devns_link;
struct err;

/* -EBUSY: a program of the host shows something else; e says which and where.
 */
int devns_display_check(struct devns_link *l, struct err *e);

#endif

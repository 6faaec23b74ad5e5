/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of devns messages as structures. A message is the kernel's, but
 * perhaps of a newer module: what is unknown is skipped, what is missing or too
 * short is 0, "" or, of a class, CELLS_CLASS_COUNT.
 */
#ifndef CELLSD_DEVICE_DEVNS_ATTR_H
#define CELLSD_DEVICE_DEVNS_ATTR_H

#include <netlink/attr.h>

#include "cellsd/device/devns_types.h"

/* By type; NULL: it is not there. Of one that is repeated, the last. */
typedef struct nlattr *devns_attr_table[DEVNS_A_MAX + 1];

void devns_attr_parse(struct nlattr *head, int len, devns_attr_table a);

/* Each fills a structure that is cleared; `item` is one of its kind. */
void devns_attr_read_ns(devns_attr_table a, void *item);
void devns_attr_read_source(devns_attr_table a, void *item);
void devns_attr_read_endpoint(devns_attr_table a, void *item);
void devns_attr_read_revocation(devns_attr_table a,
				struct devns_link_revocation *c);
void devns_attr_read_event(devns_attr_table a, struct devns_link_event *ev);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of devns messages as structures. A message is the kernel's, but
 * perhaps of a newer module: what is unknown is skipped, what is missing or too
 * short is 0, "" or, of a class, CELLS_CLASS_COUNT.
 */
#ifndef CELLSD_DEVNS_ATTR_H
#define CELLSD_DEVNS_ATTR_H

#include <netlink/attr.h>

#include "cellsd/devns_link.h"

/* By type; NULL: it is not there. Of one that stands often, the last. */
typedef struct nlattr *devnsattrs[DEVNS_A_MAX + 1];

void devnsattr_parse(struct nlattr *head, int len, devnsattrs a);

/* Each fills a structure that is cleared; `item` is one of its kind. */
void devnsattr_ns(devnsattrs a, void *item);
void devnsattr_source(devnsattrs a, void *item);
void devnsattr_endpoint(devnsattrs a, void *item);
void devnsattr_cut(devnsattrs a, struct devnslink_cut *c);
void devnsattr_event(devnsattrs a, struct devnslink_event *ev);

#endif

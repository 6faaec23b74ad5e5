/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node of the hardware becomes where devns is: which kind of source, or
 * none. A device that can be used around its endpoint is shut.
 */
#ifndef CELLSD_DEVICE_SOURCE_PLAN_H
#define CELLSD_DEVICE_SOURCE_PLAN_H

#include "cellsd/device/backend.h"
#include "cellsd/device/devns_link.h"

/* *ret (but its id) only with BACKEND_BY_ENDPOINT. */
enum backend_access source_plan_for_node(const struct backend_node *n,
					 struct devns_link_source *ret);

/* The same source, by all but its id. */
bool source_plan_is_equal(const struct devns_link_source *a,
			  const struct devns_link_source *b);

#endif

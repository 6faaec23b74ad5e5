/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node of the hardware becomes where devns is: which kind of source, or
 * none. A device that can be used around its endpoint is shut.
 */
#ifndef CELLSD_SOURCE_PLAN_H
#define CELLSD_SOURCE_PLAN_H

#include "cellsd/backend.h"
#include "cellsd/devns_link.h"

/* *ret (but its id) only with BACKEND_BY_ENDPOINT. */
enum backend_way sourceplan_of(const struct backend_node *n,
			       struct devnslink_source *ret);

/* The same source, by all but its id. */
bool sourceplan_equal(const struct devnslink_source *a,
		      const struct devnslink_source *b);

#endif

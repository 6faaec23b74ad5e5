/* SPDX-License-Identifier: Apache-2.0 */
/* A description of the device for lists and filters. It is for display only. */
#ifndef AGENT_INVENTORY_H
#define AGENT_INVENTORY_H

#include "lib/json.h"

/* {"hostname","kernel","machine","model","os"}; NULL: no memory. */
json_t *inventory_new(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the device says about itself, for lists and filters; for display only.
 */
#ifndef AGENT_INVENTORY_H
#define AGENT_INVENTORY_H

#include "lib/json.h"

/* {"hostname","kernel","machine","model","os"}; NULL: no memory. */
json_t *inventory_new(void);

#endif

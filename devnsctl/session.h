/* SPDX-License-Identifier: Apache-2.0 */
/* What one run of devnsctl has: its options, the module, and names. */
#ifndef DEVNSCTL_SESSION_H
#define DEVNSCTL_SESSION_H

#include <stdbool.h>

#include "cellsd/device/devns_link.h"
#include "lib/json.h"

struct devnsctl {
	bool json;
	const char *devns; /* only of this one, by name or id; NULL: of all */
	struct devns_link *link;
	json_t *names; /* of devns, by id in decimal */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Devns by their names, which are numbers everywhere else in the module. */
#ifndef DEVNSCTL_DEVNS_NAME_H
#define DEVNSCTL_DEVNS_NAME_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct devnsctl;

/* Fills c->names. */
int devns_name_load_all(struct devnsctl *c, struct err *e);

/* Asks for one by its name or number (NULL: for all). -ENOENT: there is none.
 */
int devns_name_select(struct devnsctl *c, const char *devns, struct err *e);

/* Its name, "host", or its number; lives until the next call. */
const char *devns_name_get(const struct devnsctl *c, uint32_t ns);
/* Is it one that was asked for? */
bool devns_name_is_requested(const struct devnsctl *c, uint32_t ns);

#endif

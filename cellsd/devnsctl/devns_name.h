/* SPDX-License-Identifier: Apache-2.0 */
/* Devns by their names, which the module tells by number elsewhere. */
#ifndef CELLSD_DEVNS_NAME_H
#define CELLSD_DEVNS_NAME_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct nsctl;

/* Fills c->names. -ENOENT: nobody has the name that was asked for. */
int nsname_read(struct nsctl *c, struct err *e);

/* Its name, "host", or its number; lives until the next call. */
const char *nsname_get(const struct nsctl *c, uint32_t ns);
/* Is it one that was asked for? */
bool nsname_wants(const struct nsctl *c, uint32_t ns);

#endif

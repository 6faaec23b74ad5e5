/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of D-Bus messages as JSON values. Each function reads the next value of
 * the message and returns 0, or a negative errno as sd-bus does. The caller
 * owns *ret.
 */
#ifndef LIB_BUS_JSON_H
#define LIB_BUS_JSON_H

#include <systemd/sd-bus.h>

#include "lib/json.h"

/* "as" as an array of strings. */
int bus_json_read_strings(sd_bus_message *m, json_t **ret);

/*
 * "a{sv}" as an object. Variants of the types s, u, i, t, x, b and as are read;
 * others are left out.
 */
int bus_json_read_properties(sd_bus_message *m, json_t **ret);

#endif

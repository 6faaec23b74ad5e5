/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device nodes that no hardware profile can give to a VP: terminals and
 * consoles of the host, its memory, its disks, what makes devices on it, and
 * what one VP could use against the host or another.
 */
#ifndef CELLSD_DEVICE_RESERVED_NODES_H
#define CELLSD_DEVICE_RESERVED_NODES_H

struct device_facts;

/* Why it is reserved; NULL: it is not. */
const char *reserved_nodes_get_reason(const struct device_facts *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flows that the kernel remembers for VPs (conntrack), of which all VPs and
 * the host have one table together. Here is how many one VP may have, which the
 * firewall counts by its mark, and those of one VP are forgotten.
 */
#ifndef CELLSD_NET_CONNTRACK_H
#define CELLSD_NET_CONNTRACK_H

#include <stdint.h>

struct err;

/* How many flows each of so many VPs may have: together they leave the host a
 * quarter of what the kernel remembers. */
uint32_t conntrack_get_flow_limit(unsigned int vps);

/* Forgets all flows with that mark, by ctnetlink. */
int conntrack_flush_mark(uint32_t mark, struct err *e);

#endif

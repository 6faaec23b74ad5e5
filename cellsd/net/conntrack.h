/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flows that the kernel remembers for VPs (conntrack), of which all VPs and
 * the host have one table together. The firewall marks and counts them; here
 * those of one VP are forgotten.
 */
#ifndef CELLSD_NET_CONNTRACK_H
#define CELLSD_NET_CONNTRACK_H

#include <stdint.h>

struct err;

/* How many flows the kernel remembers at most; 0: it remembers none. */
uint32_t conntrack_get_max(void);

/* Forgets all flows with that mark, by ctnetlink. */
int conntrack_flush_mark(uint32_t mark, struct err *e);

#endif

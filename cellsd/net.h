/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a VP. So far every VP has its loopback only; links to the
 * outside (veth, NAT) get their place here.
 */
#ifndef CELLSD_NET_H
#define CELLSD_NET_H

/* In the child, in its own network namespace. Returns 0 or -errno. */
int net_enter(void);

#endif

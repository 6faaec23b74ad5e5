/* SPDX-License-Identifier: Apache-2.0 */
/* The host's DNS resolver, to which that of VPs is turned. */
#ifndef CELLSD_NET_RESOLVER_H
#define CELLSD_NET_RESOLVER_H

#include <stdint.h>

/* The first IPv4 name server of a text as in resolv.conf(5), in host byte
 * order; 0: there is none. */
uint32_t resolver_parse_text(const char *text);

/* The same of a file; one that cannot be read has none. */
uint32_t resolver_read_file(const char *path);

#endif

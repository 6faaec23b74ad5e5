/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VP's link to the host, by rtnetlink: a veth pair, one end of it never in
 * the host's network namespace. IPv4 addresses are in host byte order; the pair
 * has the two of a /31 (RFC 3021), the host the even one.
 */
#ifndef CELLSD_NET_VETH_H
#define CELLSD_NET_VETH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VETH_INSIDE "eth0"
#define VETH_NAME_SIZE 16

struct err;
struct veth;

int veth_open(struct veth **ret, struct err *e);
void veth_close(struct veth *v);

/*
 * Makes the pair: `name` here, up and with the address before the VP's, the
 * other end VETH_INSIDE in the process's network namespace.
 */
int veth_add_pair(struct veth *v, const char *name, uint32_t address, pid_t pid,
		  struct err *e);
/* Both ends go. None is not an error. */
int veth_remove_pair(struct veth *v, const char *name, struct err *e);

/* The VP's address of a pair that is there; 0: there is none. */
int veth_get_vp_address(struct veth *v, const char *name, uint32_t *ret,
			struct err *e);

/* Calls fn with the name of each veth here. */
typedef void veth_link_fn(void *arg, const char *name);
int veth_each_link(struct veth *v, veth_link_fn *fn, void *arg, struct err *e);

/* The first /31 from `at` on, in the range, to which no route leads yet: its
 * odd address. -EADDRNOTAVAIL. */
int veth_find_free_address(struct veth *v, uint32_t range, unsigned int prefix,
			   uint32_t at, uint32_t *ret, struct err *e);

/* In the VP's first process: loopback, and the other end if address is not 0.
 */
int veth_configure_inside(uint32_t address);

static inline void veth_closep(struct veth **v)
{
	veth_close(*v);
}

#endif

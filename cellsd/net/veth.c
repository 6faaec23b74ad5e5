/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/net/veth.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PAIR 31 /* prefix of a pair's network */
#define TRIES 512
#define ANSWER_SECONDS 2

struct veth {
	struct nl_sock *sock;
};

static void rtnl_link_putp(struct rtnl_link **l)
{
	if (*l)
		rtnl_link_put(*l);
}

static void rtnl_addr_putp(struct rtnl_addr **a)
{
	if (*a)
		rtnl_addr_put(*a);
}

static void nl_addr_putp(struct nl_addr **a)
{
	if (*a)
		nl_addr_put(*a);
}

static void nl_cache_freep(struct nl_cache **c)
{
	if (*c)
		nl_cache_free(*c);
}

static int reconnect_rtnetlink(struct veth *v)
{
	struct nl_sock *sock = nl_socket_alloc();
	const struct timeval most = { .tv_sec = ANSWER_SECONDS };
	int r = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;

	if (r < 0) {
		nl_socket_free(sock);
		return r;
	}
	/* libnl waits for the list of links even if it could not ask for it. */
	setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &most,
		   sizeof(most));
	nl_socket_free(v->sock);
	v->sock = sock;
	return 0;
}

/* The next answer on that socket may be to a question before. */
static int set_rtnetlink_error(struct veth *v, struct err *e, int r,
			       const char *what, const char *name)
{
	reconnect_rtnetlink(v);
	return err_reason(e, REASON_KERNEL, "%s %s: %s", what, name,
			  nl_geterror(r));
}

int veth_open(struct veth **ret, struct err *e)
{
	AUTO(veth_closep) struct veth *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return err_oom(e, "open rtnetlink");
	r = reconnect_rtnetlink(v);
	if (r < 0)
		return err_reason(e, REASON_KERNEL, "open rtnetlink: %s",
				  nl_geterror(r));
	*ret = steal(v);
	return 0;
}

void veth_close(struct veth *v)
{
	if (!v)
		return;
	nl_socket_free(v->sock);
	free(v);
}

/*
 * Who is at the other end is known for good: the kernel has one table of
 * neighbours for all VPs and the host, and only what it found out itself is
 * held to its size (net.ipv4.neigh.default.gc_thresh3).
 */
static void derive_mac_address(uint32_t address, unsigned char ret[ETH_ALEN])
{
	const uint32_t net = htonl(address);

	ret[0] = 0x02; /* locally administered */
	ret[1] = 0xce;
	memcpy(ret + 2, &net, sizeof(net));
}

static int set_link_mac_address(struct rtnl_link *l, uint32_t address)
{
	AUTO(nl_addr_putp) struct nl_addr *a = NULL;
	unsigned char mac[ETH_ALEN];

	derive_mac_address(address, mac);
	a = nl_addr_build(AF_LLC, mac, sizeof(mac));
	if (!a)
		return -NLE_NOMEM;
	rtnl_link_set_addr(l, a);
	return 0;
}

static void set_sockaddr_ipv4(struct sockaddr *to, uint32_t address)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr = { htonl(address) } };

	memcpy(to, &in, sizeof(in));
}

/* On `link`, `address` is at the hardware address that it gets by us. */
static int set_arp_entry(int fd, const char *link, uint32_t address)
{
	struct arpreq req = { .arp_flags = ATF_COM | ATF_PERM };

	set_sockaddr_ipv4(&req.arp_pa, address);
	req.arp_ha.sa_family = ARPHRD_ETHER;
	derive_mac_address(address, (unsigned char *)req.arp_ha.sa_data);
	snprintf(req.arp_dev, sizeof(req.arp_dev), "%.15s", link);
	return ioctl(fd, SIOCSARP, &req) < 0 ? -errno : 0;
}

static int add_link_neighbour(const char *name, uint32_t address, struct err *e)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : set_arp_entry(fd, name, address);

	return r < 0 ? err_sys(e, -r, "set the neighbour of link %s", name) : 0;
}

static int add_link_address(struct veth *v, const char *name, uint32_t address,
			    struct err *e)
{
	AUTO(rtnl_addr_putp) struct rtnl_addr *a = rtnl_addr_alloc();
	AUTO(nl_addr_putp) struct nl_addr *local = NULL;
	uint32_t net = htonl(address);
	int r;

	local = nl_addr_build(AF_INET, &net, sizeof(net));
	if (!a || !local)
		return err_oom(e, "give the VP's link an address");
	nl_addr_set_prefixlen(local, PAIR);
	rtnl_addr_set_ifindex(a, (int)if_nametoindex(name));
	r = rtnl_addr_set_local(a, local);
	if (r == 0)
		r = rtnl_addr_add(v->sock, a, 0);
	return r < 0 ? set_rtnetlink_error(v, e, r, "give an address to", name)
		     : 0;
}

int veth_add_pair(struct veth *v, const char *name, uint32_t address, pid_t pid,
		  struct err *e)
{
	AUTO(rtnl_link_putp) struct rtnl_link *l = rtnl_link_veth_alloc();
	struct rtnl_link *peer; /* goes with l */
	int r;

	if (!l)
		return err_oom(e, "make the VP's link");
	rtnl_link_set_name(l, name);
	rtnl_link_set_flags(l, IFF_UP);
	peer = rtnl_link_veth_get_peer(l);
	rtnl_link_set_name(peer, VETH_INSIDE);
	rtnl_link_set_ns_pid(peer, pid);
	r = set_link_mac_address(l, address - 1);
	if (r == 0)
		r = set_link_mac_address(peer, address);
	rtnl_link_put(peer);
	if (r == 0)
		r = rtnl_link_add(v->sock, l, NLM_F_CREATE | NLM_F_EXCL);
	if (r < 0)
		return set_rtnetlink_error(v, e, r, "make link", name);
	r = add_link_address(v, name, address - 1, e);
	if (r == 0)
		r = add_link_neighbour(name, address, e);
	if (r < 0)
		veth_remove_pair(v, name, &(struct err){ 0 });
	return r;
}

int veth_remove_pair(struct veth *v, const char *name, struct err *e)
{
	AUTO(rtnl_link_putp) struct rtnl_link *l = rtnl_link_alloc();
	int r;

	if (!l)
		return err_oom(e, "remove the VP's link");
	rtnl_link_set_name(l, name);
	r = rtnl_link_delete(v->sock, l);
	if (r < 0 && r != -NLE_NODEV && r != -NLE_OBJ_NOTFOUND)
		return set_rtnetlink_error(v, e, r, "remove link", name);
	return 0;
}

int veth_get_vp_address(struct veth *v, const char *name, uint32_t *ret,
			struct err *e)
{
	AUTO(nl_cache_freep) struct nl_cache *cache = NULL;
	unsigned int index = if_nametoindex(name);
	uint32_t net;
	int r;

	*ret = 0;
	if (index == 0)
		return 0;
	r = rtnl_addr_alloc_cache(v->sock, &cache);
	if (r < 0)
		return set_rtnetlink_error(v, e, r, "list the addresses of",
					   name);
	for (struct nl_object *o = nl_cache_get_first(cache); o;
	     o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;
		struct nl_addr *local = rtnl_addr_get_local(a);

		if (rtnl_addr_get_ifindex(a) != (int)index || !local ||
		    rtnl_addr_get_family(a) != AF_INET)
			continue;
		memcpy(&net, nl_addr_get_binary_addr(local), sizeof(net));
		*ret = ntohl(net) + 1;
		return 0;
	}
	return 0;
}

int veth_each_link(struct veth *v, veth_link_fn *fn, void *arg, struct err *e)
{
	AUTO(nl_cache_freep) struct nl_cache *cache = NULL;
	int r = rtnl_link_alloc_cache(v->sock, AF_UNSPEC, &cache);

	if (r < 0)
		return set_rtnetlink_error(v, e, r, "list", "links");
	for (struct nl_object *o = nl_cache_get_first(cache); o;
	     o = nl_cache_get_next(o)) {
		struct rtnl_link *l = (struct rtnl_link *)o;

		if (rtnl_link_is_veth(l))
			fn(arg, rtnl_link_get_name(l));
	}
	return 0;
}

/* Does a route lead into the pair at `address`? The default one does not count.
 */
static bool is_pair_routed(struct nl_cache *routes, uint32_t address)
{
	for (struct nl_object *o = nl_cache_get_first(routes); o;
	     o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;
		struct nl_addr *dst = rtnl_route_get_dst(route);
		unsigned int prefix = dst ? nl_addr_get_prefixlen(dst) : 0;
		uint32_t net, mask;

		if (prefix == 0 || nl_addr_get_len(dst) != sizeof(net))
			continue;
		memcpy(&net, nl_addr_get_binary_addr(dst), sizeof(net));
		mask = ~0U << (32 - (prefix < PAIR ? prefix : PAIR));
		if (((ntohl(net) ^ address) & mask) == 0)
			return true;
	}
	return false;
}

int veth_find_free_address(struct veth *v, uint32_t range, unsigned int prefix,
			   uint32_t at, uint32_t *ret, struct err *e)
{
	AUTO(nl_cache_freep) struct nl_cache *routes = NULL;
	uint32_t n = 1U << (PAIR - prefix);
	int r = rtnl_route_alloc_cache(v->sock, AF_INET, 0, &routes);

	if (r < 0)
		return set_rtnetlink_error(v, e, r, "list", "routes");
	for (uint32_t i = 0; i < n && i < TRIES; i++) {
		uint32_t pair = range + ((at + i) % n) * 2;

		if (is_pair_routed(routes, pair))
			continue;
		*ret = pair + 1;
		return 0;
	}
	return err_set(e, EADDRNOTAVAIL,
		       "find addresses for a VP: the host has routes to all of "
		       "network-range; choose another");
}

/* ---- inside */

static int set_interface_up(int fd, const char *name)
{
	struct ifreq req = { .ifr_flags = IFF_UP };

	memcpy(req.ifr_name, name, strlen(name));
	return ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

int veth_configure_inside(uint32_t address)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = VETH_INSIDE };
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	int r;

	if (fd < 0)
		return -errno;
	r = set_interface_up(fd, "lo");
	if (r < 0 || address == 0)
		return r;
	set_sockaddr_ipv4(&req.ifr_addr, address);
	if (ioctl(fd, SIOCSIFADDR, &req) < 0)
		return -errno;
	set_sockaddr_ipv4(&req.ifr_netmask, ~0U << (32 - PAIR));
	if (ioctl(fd, SIOCSIFNETMASK, &req) < 0)
		return -errno;
	r = set_interface_up(fd, VETH_INSIDE);
	if (r == 0)
		r = set_arp_entry(fd, VETH_INSIDE, address - 1);
	if (r < 0)
		return r;
	set_sockaddr_ipv4(&route.rt_dst, 0);
	set_sockaddr_ipv4(&route.rt_genmask, 0);
	set_sockaddr_ipv4(&route.rt_gateway, address - 1);
	return ioctl(fd, SIOCADDRT, &route) < 0 ? -errno : 0;
}

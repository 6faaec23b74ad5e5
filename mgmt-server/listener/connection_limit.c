/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/listener/connection_limit.h"

#include "lib/crypto/hash.h"
#include "lib/fnv.h"
#include "mgmt-server/core/settings.h"

#include <libwebsockets.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct counted_connection {
	struct connection_limit *limit;
	bool is_device;
	bool is_counted; /* for its address */
	unsigned int place;
	uintptr_t note;
};

/* An IPv6 address is its network's: its holder has 2^64. */
static size_t read_peer_address(int fd, uint8_t ret[8])
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(a);

	if (getpeername(fd, &a.any, &len) < 0)
		return 0;
	if (a.any.sa_family == AF_INET) {
		memcpy(ret, &a.v4.sin_addr, 4);
		return 4;
	}
	if (a.any.sa_family != AF_INET6)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr)) {
		memcpy(ret, a.v6.sin6_addr.s6_addr + 12, 4);
		return 4;
	}
	memcpy(ret, a.v6.sin6_addr.s6_addr, 8);
	return 8;
}

/* From a random start; the ports do not share a place. */
static unsigned int hash_peer_address(struct connection_limit *l,
				      bool is_device, int fd)
{
	uint8_t address[8], port = is_device ? 1 : 2;
	size_t n = read_peer_address(fd, address);
	uint64_t h;

	while (!l->seed)
		hash_random(&l->seed, sizeof(l->seed));
	h = fnv_add(FNV_START ^ l->seed, &port, sizeof(port));
	h = fnv_add(h, address, n);
	return (unsigned int)(h >> 32) % CONNECTION_LIMIT_BUCKETS;
}

bool connection_limit_has_room(struct connection_limit *l, bool is_device,
			       int fd)
{
	const struct settings *conf = l->conf;
	uint64_t max = is_device ? conf->connections : conf->admin_connections;
	uint32_t here = l->place[hash_peer_address(l, is_device, fd)];

	return l->open[is_device] < max && here < conf->address_connections;
}

bool connection_limit_add(struct connection_limit *l, bool is_device,
			  struct lws *wsi)
{
	struct counted_connection *c = calloc(1, sizeof(*c));

	if (!c)
		return false;
	c->limit = l;
	c->is_device = is_device;
	l->open[is_device]++;
	++*l->metrics;
	c->place = hash_peer_address(l, is_device, lws_get_socket_fd(wsi));
	c->is_counted = true;
	l->place[c->place]++;
	lws_set_opaque_user_data(wsi, c);
	return true;
}

void connection_limit_uncount_address(struct lws *wsi)
{
	struct counted_connection *c = lws_get_opaque_user_data(wsi);

	if (!c || !c->is_counted)
		return;
	c->is_counted = false;
	c->limit->place[c->place]--;
}

void connection_limit_remove(struct lws *wsi)
{
	struct counted_connection *c = lws_get_opaque_user_data(wsi);

	if (!c) /* a listener, or the signals */
		return;
	connection_limit_uncount_address(wsi);
	lws_set_opaque_user_data(wsi, NULL);
	c->limit->open[c->is_device]--;
	--*c->limit->metrics;
	free(c);
}

uintptr_t connection_limit_get_note(struct lws *wsi)
{
	const struct counted_connection *c = lws_get_opaque_user_data(wsi);

	return c ? c->note : 0;
}

void connection_limit_set_note(struct lws *wsi, uintptr_t note)
{
	struct counted_connection *c = lws_get_opaque_user_data(wsi);

	if (c)
		c->note = note;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of a host name, in the order in which the system would try them
 * (RFC 6724). A lookup can wait for a name server, so a worker does it;
 * libwebsockets would block in its call to connect.
 */
#ifndef AGENT_ADDRESS_H
#define AGENT_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_MAX 8

struct err;

struct address_list {
	unsigned int n; /* never 0 after success */
	char text[ADDRESS_MAX][INET6_ADDRSTRLEN];
};

/* Parses a numeric address. No name server is asked. */
bool address_parse_literal(const char *host, struct address_list *ret);

/* Runs in a worker; `host` is the name. */
int address_lookup(const void *host, char **ret, size_t *ret_len,
		   struct err *e);

/* Parses the worker's result. -EBADMSG: it is malformed. */
int address_parse_list(const char *text, size_t len, struct address_list *ret,
		       struct err *e);

#endif

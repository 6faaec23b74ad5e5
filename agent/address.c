/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/address.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

static bool is_numeric_address(const char *text)
{
	struct in6_addr unused;

	return inet_pton(AF_INET, text, &unused) == 1 ||
	       inet_pton(AF_INET6, text, &unused) == 1;
}

static int append_address(struct address_list *list, const char *text)
{
	if (list->n == ADDRESS_MAX || !is_numeric_address(text))
		return -EBADMSG;
	snprintf(list->text[list->n++], sizeof(list->text[0]), "%s", text);
	return 0;
}

bool address_parse_literal(const char *host, struct address_list *ret)
{
	ret->n = 0;
	return append_address(ret, host) == 0;
}

static void free_addrinfo_list(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

/* One a line. */
static int write_address_list(const struct addrinfo *a, FILE *out)
{
	unsigned int n = 0;

	for (; a && n < ADDRESS_MAX; a = a->ai_next) {
		char text[NI_MAXHOST];

		/* One with a scope is not for servers. */
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text),
				NULL, 0, NI_NUMERICHOST) == 0 &&
		    is_numeric_address(text) && fprintf(out, "%s\n", text) > 0)
			n++;
	}
	return n > 0 ? 0 : -EHOSTUNREACH;
}

int address_lookup(const void *host, char **ret, size_t *ret_len, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	AUTO(free_addrinfo_list) struct addrinfo *list = NULL;
	FILE *out;
	int r = getaddrinfo(host, NULL, &hints, &list);

	if (r != 0)
		return err_set(e, EHOSTUNREACH, "look up the name: %s",
			       r == EAI_SYSTEM ? strerror(errno)
					       : gai_strerror(r));
	out = open_memstream(ret, ret_len);
	if (!out)
		return err_oom(e, "look up the name");
	r = write_address_list(list, out);
	if (fclose(out) != 0)
		return err_oom(e, "look up the name");
	return r == 0 ? 0
		      : err_set(e, -r, "look up the name: it has no address");
}

int address_parse_list(const char *text, size_t len, struct address_list *ret,
		       struct err *e)
{
	struct address_list list = { 0 };
	auto_free char *copy = strndup(text, len);
	char *at = copy, *line;

	if (!copy)
		return err_oom(e, "look up the name");
	while ((line = strsep(&at, "\n")))
		if (*line && append_address(&list, line) < 0)
			return err_set(e, EBADMSG,
				       "look up the name: '%.60s' is not an "
				       "address",
				       line);
	if (list.n == 0)
		return err_set(e, EBADMSG, "look up the name: no address came");
	*ret = list;
	return 0;
}

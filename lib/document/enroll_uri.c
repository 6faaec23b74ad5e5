/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/enroll_uri.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define SCHEME "cells://"
#define TEXT_MAX 1024
#define HOST_MAX 253
#define HEX_SIZE (2 * HASH_SIZE + 1)

/* Messages never quote the text: it holds the token. */
static int report_uri_error(struct err *e, const char *what)
{
	return err_set(e, EINVAL, "enrollment URI: %s", what);
}

static bool is_ipv6_address(const char *s)
{
	struct in6_addr addr;

	return inet_pton(AF_INET6, s, &addr) == 1;
}

static bool is_host_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > HOST_MAX || !isalnum((unsigned char)s[0]) ||
	    !isalnum((unsigned char)s[n - 1]))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '.' && *s != '-')
			return false;
	return true;
}

/* "name:port" or "[address]:port". */
static int parse_host_port(char *s, struct enroll_uri *u, struct err *e)
{
	char *colon = strrchr(s, ':');
	uint64_t port;
	size_t n;

	if (!colon || encoding_parse_number(colon + 1, UINT16_MAX, &port) < 0 ||
	    port == 0)
		return report_uri_error(e, "no port from 1 to 65535");
	*colon = '\0';
	n = strlen(s);
	if (n >= 2 && s[0] == '[' && s[n - 1] == ']') {
		s[n - 1] = '\0';
		if (!is_ipv6_address(++s))
			return report_uri_error(
				e, "the host is not an IPv6 address");
	} else if (!is_host_name(s)) {
		return report_uri_error(e, "the host is not a name or address");
	}
	memcpy(u->host, s, strlen(s) + 1);
	u->port = (uint16_t)port;
	return 0;
}

static int parse_group_field(char *s, struct enroll_uri *u)
{
	char *colon = strchr(s, ':');
	uint64_t min;

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	if (!encoding_is_valid_id(s) ||
	    encoding_parse_number(colon + 1, INT32_MAX, &min) < 0 || min == 0)
		return -EINVAL;
	memcpy(u->group, s, strlen(s) + 1);
	u->group_min = (uint32_t)min;
	return 0;
}

enum field { TOKEN, ROOT, CA, GROUP, FIELD_COUNT };

static int parse_uri_field(char *s, struct enroll_uri *u, unsigned int *seen,
			   struct err *e)
{
	static const char *const names[] = { "t", "root", "ca", "group" };
	uint8_t *const hex[] = { u->token, u->root, u->ca };
	char *value = strchr(s, '=');
	unsigned int f = 0;
	int r;

	if (!value)
		return report_uri_error(e, "a parameter without '='");
	*value++ = '\0';
	while (f < FIELD_COUNT && strcmp(names[f], s) != 0)
		f++;
	if (f == FIELD_COUNT)
		return report_uri_error(e, "an unknown parameter");
	if (*seen >> f & 1)
		return err_set(e, EINVAL, "enrollment URI: duplicate '%s'",
			       names[f]);
	*seen |= 1U << f;
	r = f == GROUP ? parse_group_field(value, u)
		       : encoding_from_hex(value, hex[f], HASH_SIZE);
	if (r < 0)
		return err_set(
			e, EINVAL, "enrollment URI: '%s' is not %s", names[f],
			f == GROUP ? "ID:VERSION" : "64 lower-case hex digits");
	return 0;
}

int enroll_uri_parse(const char *s, struct enroll_uri *ret, struct err *e)
{
	char copy[TEXT_MAX + 1], *host = copy + strlen(SCHEME), *rest, *field;
	unsigned int seen = 0;
	struct enroll_uri u = { 0 };
	int r;

	if (strlen(s) > TEXT_MAX)
		return report_uri_error(e, "longer than 1024 characters");
	memcpy(copy, s, strlen(s) + 1);
	if (strncmp(copy, SCHEME, strlen(SCHEME)) != 0)
		return report_uri_error(e, "does not start with " SCHEME);
	rest = strstr(host, "/?");
	if (!rest)
		return report_uri_error(e, "no '/?' behind host and port");
	*rest = '\0';
	rest += 2;
	r = parse_host_port(host, &u, e);
	while (r == 0 && (field = strsep(&rest, "&")))
		r = parse_uri_field(field, &u, &seen, e);
	if (r == 0 && seen != (1U << FIELD_COUNT) - 1)
		r = report_uri_error(e,
				     "t, root, ca and group must all be there");
	if (r == 0)
		*ret = u;
	explicit_bzero(copy, sizeof(copy));
	explicit_bzero(&u, sizeof(u));
	return r;
}

int enroll_uri_format(const struct enroll_uri *u, char **ret, struct err *e)
{
	char token[HEX_SIZE], root[HEX_SIZE], ca[HEX_SIZE], *s;
	bool ip6 = strchr(u->host, ':') != NULL;
	int n;

	encoding_to_hex(u->token, sizeof(u->token), token);
	encoding_to_hex(u->root, sizeof(u->root), root);
	encoding_to_hex(u->ca, sizeof(u->ca), ca);
	n = asprintf(&s,
		     SCHEME "%s%s%s:%u/?t=%s&root=%s&ca=%s&group=%s:%" PRIu32,
		     ip6 ? "[" : "", u->host, ip6 ? "]" : "", u->port, token,
		     root, ca, u->group, u->group_min);
	explicit_bzero(token, sizeof(token));
	if (n < 0)
		return err_oom(e, "enrollment URI");
	*ret = s;
	return 0;
}

void enroll_uri_compute_admit(const struct enroll_uri *u,
			      uint8_t ret[HASH_SIZE])
{
	const struct hash_part label = { "admit", strlen("admit") };

	hash_hmac(u->token, sizeof(u->token), &label, 1, ret);
}

void enroll_uri_compute_bind(const struct enroll_uri *u, const void *identity,
			     size_t identity_len, const void *receipts,
			     size_t receipts_len, uint8_t ret[HASH_SIZE])
{
	const struct hash_part parts[] = {
		{ "bind", strlen("bind") },
		{ identity, identity_len },
		{ receipts, receipts_len },
	};

	hash_hmac(u->token, sizeof(u->token), parts, ARRAY_SIZE(parts), ret);
}

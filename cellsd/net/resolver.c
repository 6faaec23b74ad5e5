/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/net/resolver.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <arpa/inet.h>
#include <string.h>

#define KEYWORD "nameserver"
#define BLANK " \t"
#define FILE_MAX (64 * 1024)

/* The address of one line; 0: it has none. */
static uint32_t parse_nameserver_line(const char *line, size_t len)
{
	char word[INET_ADDRSTRLEN];
	struct in_addr in;
	size_t n = strlen(KEYWORD);

	if (len <= n || memcmp(line, KEYWORD, n) != 0 ||
	    !strchr(BLANK, line[n]))
		return 0;
	line += n;
	line += strspn(line, BLANK);
	n = strcspn(line, BLANK "\r\n");
	if (n >= sizeof(word))
		return 0;
	memcpy(word, line, n);
	word[n] = '\0';
	return inet_pton(AF_INET, word, &in) == 1 ? ntohl(in.s_addr) : 0;
}

uint32_t resolver_parse_text(const char *text)
{
	uint32_t address = 0;

	while (*text && address == 0) {
		size_t len = strcspn(text, "\n");

		address = parse_nameserver_line(text, len);
		text += len;
		text += *text == '\n';
	}
	return address;
}

uint32_t resolver_read_file(const char *path)
{
	auto_free char *text = NULL;
	size_t len;
	struct err e;

	return io_read_file(path, FILE_MAX, &text, &len, &e) < 0
		       ? 0
		       : resolver_parse_text(text);
}

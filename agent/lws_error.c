/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lws_error.h"

#include "lib/auto.h"

#include <libwebsockets.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define TLS_PREFIX "SSL error: "
#define PROBE_MS 500

/* As process-wide as the log that it mirrors. */
static char last_tls[96];

/* "...: SSL error: certificate has expired (preverify_ok=0;err=10;depth=0)" */
static void capture_tls_error(int level, const char *line)
{
	const char *why = strstr(line, TLS_PREFIX);
	size_t n;

	if (!why)
		return;
	why += strlen(TLS_PREFIX);
	n = strcspn(why, "(\n");
	while (n > 0 && why[n - 1] == ' ')
		n--;
	if (n >= sizeof(last_tls))
		n = sizeof(last_tls) - 1;
	memcpy(last_tls, why, n);
	last_tls[n] = '\0';
}

void lws_error_capture(void)
{
	lws_set_log_level(LLL_ERR, capture_tls_error);
}

void lws_error_clear(void)
{
	last_tls[0] = '\0';
}

static int probe_tcp_address(const struct addrinfo *a)
{
	auto_close int fd = socket(
		a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&p, 1, PROBE_MS) == 0)
		return ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	return error;
}

/* lws says only "unable": the system is asked again, for the words. */
static int probe_server(const char *host, uint16_t port, char *ret, size_t size)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char service[8];
	int r;

	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &list);
	if (r != 0) {
		snprintf(ret, size, "look up the name: %s", gai_strerror(r));
		return EHOSTUNREACH;
	}
	r = probe_tcp_address(list);
	freeaddrinfo(list);
	if (r == 0) {
		snprintf(ret, size, "the connection did not come about");
		return ECONNABORTED;
	}
	snprintf(ret, size, "%s", strerror(r));
	return r;
}

static const struct {
	const char *said; /* how it begins */
	int code;
	const char *text;
} reasons[] = {
	{ "connect S", EPROTO,
	  "TLS: no handshake: not a TLS server, or it refuses this client" },
	{ "Timed out", ETIMEDOUT, "no answer in time" },
	{ "timed out", ETIMEDOUT, "no answer in time" },
	{ "HS: ", EPROTO, "not the answer that was asked for" },
};

int lws_error_describe(const char *host, uint16_t port, const char *said,
		       char *ret, size_t size)
{
	if (last_tls[0]) {
		snprintf(ret, size, "TLS: the server is not trusted: %s",
			 last_tls);
		return EPROTO;
	}
	if (!said || strcmp(said, "Unable to connect") == 0)
		return probe_server(host, port, ret, size);
	for (unsigned int i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (strncmp(said, reasons[i].said, strlen(reasons[i].said)) !=
		    0)
			continue;
		snprintf(ret, size, "%s", reasons[i].text);
		return reasons[i].code;
	}
	snprintf(ret, size, "closed without an answer");
	return ECONNRESET;
}

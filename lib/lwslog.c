/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/lwslog.h"

#include <libwebsockets.h>
#include <string.h>

#define TLS_PREFIX "SSL error: "

/* As process-wide as the log that it mirrors. */
static char last_tls[96];

/* "...: SSL error: certificate has expired (preverify_ok=0;err=10;depth=0)" */
static void take(int level, const char *line)
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

void lwslog_catch(void)
{
	lws_set_log_level(LLL_ERR, take);
}

void lwslog_clear(void)
{
	last_tls[0] = '\0';
}

const char *lwslog_tls(void)
{
	return last_tls[0] ? last_tls : NULL;
}

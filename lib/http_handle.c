/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_handle.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/http_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PATH_MAX_LEN 1800
#define WARM_SECONDS 3L /* less than servers keep an idle connection */

int http_handle_check_target(const struct http_target *t, struct err *e)
{
	size_t n = t->host ? strlen(t->host) : 0;

	/* As the device's WebSocket, whose library verifies no IPv6 address. */
	if (n == 0 || n > HTTP_HANDLE_HOST_MAX ||
	    strpbrk(t->host, ":/@?#[]%\\ \t\r\n"))
		return err_set(e, EINVAL,
			       "server '%.40s': neither a name nor an IPv4 "
			       "address",
			       n > 0 ? t->host : "");
	if (!t->ca_pem && !t->ca_digest)
		return err_set(e, EINVAL, "server %s: no CA to trust", t->host);
	if (!t->cert_pem != !t->key_pem)
		return err_set(e, EINVAL,
			       "server %s: a certificate needs its key",
			       t->host);
	if (t->token && strpbrk(t->token, "\r\n"))
		return err_set(e, EINVAL, "the token holds a line end");
	return 0;
}

static bool set_blob(CURL *c, CURLoption option, const char *pem)
{
	struct curl_blob blob = {
		.data = (void *)pem,
		.len = strlen(pem),
		.flags = CURL_BLOB_NOCOPY,
	};

	return curl_easy_setopt(c, option, &blob) == CURLE_OK;
}

/* The system's own CAs go out with their file and their folder. */
static bool set_trust(CURL *c, const char *ca_pem)
{
	bool ok = true;

	ok &= curl_easy_setopt(c, CURLOPT_CAINFO, NULL) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_SSLVERSION,
			       (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_SSL_OPTIONS,
			       (long)CURLSSLOPT_NO_PARTIALCHAIN) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, ca_pem ? 1L : 0L) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, ca_pem ? 2L : 0L) ==
	      CURLE_OK;
	return ok && (!ca_pem || set_blob(c, CURLOPT_CAINFO_BLOB, ca_pem));
}

static bool set_client_cert(CURL *c, const struct http_target *t)
{
	return curl_easy_setopt(c, CURLOPT_SSLCERTTYPE, "PEM") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSLKEYTYPE, "PEM") == CURLE_OK &&
	       set_blob(c, CURLOPT_SSLCERT_BLOB, t->cert_pem) &&
	       set_blob(c, CURLOPT_SSLKEY_BLOB, t->key_pem);
}

/* Headers are for the server, not for a proxy on the way to it. */
static bool set_behaviour(CURL *c, const struct http_target *t, char *why)
{
	bool ok = true;

	ok &= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_HEADEROPT,
			       (long)CURLHEADER_SEPARATE) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, WARM_SECONDS) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why) == CURLE_OK;
	ok &= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)t->timeout) ==
	      CURLE_OK;
	/* NULL: libcurl looks at the environment. */
	ok &= curl_easy_setopt(c, CURLOPT_PROXY, t->proxy) == CURLE_OK;
	if (!t->proxy)
		return ok;
	return ok && curl_easy_setopt(c, CURLOPT_NOPROXY, "") == CURLE_OK;
}

int http_handle_new(const struct http_target *t, const char *ca_pem, char *why,
		    CURL **ret, struct err *e)
{
	AUTO(http_handle_freep) CURL *c = NULL;

	why[0] = '\0';
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		c = curl_easy_init();
	if (!c || !set_trust(c, ca_pem) || !set_behaviour(c, t, why) ||
	    (ca_pem && t->cert_pem && !set_client_cert(c, t)))
		return err_oom(e, "set up TLS");
	*ret = steal(c);
	return 0;
}

int http_handle_set_url(CURL *c, const struct http_target *t, const char *path,
			struct err *e)
{
	auto_free char *url = NULL;

	if (path[0] != '/' || strlen(path) > PATH_MAX_LEN ||
	    strpbrk(path, " \t\r\n#"))
		return err_set(e, EINVAL, "request path '%.60s' is not usable",
			       path);
	if (asprintf(&url, "https://%s:%u%s", t->host, t->port, path) < 0 ||
	    curl_easy_setopt(c, CURLOPT_URL, url) != CURLE_OK)
		return err_oom(e, "request");
	return 0;
}

/* ---- words */

static bool is_ipv4_address(const char *host)
{
	struct in_addr unused;

	return inet_pton(AF_INET, host, &unused) == 1;
}

/* The fault of a chain follows a colon; that of a name is found by libcurl.
 */
static int explain_distrust(const struct http_target *t, const char *why,
			    char *ret, size_t size)
{
	const char *fault = strstr(why, "certificate problem: ");

	if (fault)
		fault += strlen("certificate problem: ");
	else if (!strstr(why, "target host name"))
		fault = why;
	else
		fault = is_ipv4_address(t->host) ? "IP address mismatch"
						 : "hostname mismatch";
	snprintf(ret, size, "TLS: the server is not trusted: %s", fault);
	return EPROTO;
}

/* "Failed to connect to HOST port PORT after ...": whose, if a proxy's? */
static int explain_connect(CURL *c, const struct http_target *t,
			   const char *why, char *ret, size_t size)
{
	static const char prefix[] = "Failed to connect to ";
	char own[HTTP_HANDLE_HOST_MAX + 32];
	long code = 0;
	const char *to = strstr(why, prefix), *end;

	curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &code);
	if (code == 0)
		code = ECONNABORTED;
	snprintf(own, sizeof(own), "%s port %u ", t->host, t->port);
	to = to ? to + strlen(prefix) : own;
	end = strstr(to, " after ");
	if (!end || strncmp(to, own, strlen(own)) == 0)
		snprintf(ret, size, "%s", strerror((int)code));
	else
		snprintf(ret, size, "proxy %.*s: %s", (int)(end - to), to,
			 strerror((int)code));
	return (int)code;
}

/* OpenSSL: "...: tlsv13 alert certificate required, errno 0". */
static int explain_tls_alert(const char *why, char *ret, size_t size)
{
	const char *alert = strstr(why, " alert ");

	if (!alert)
		return 0;
	alert += strlen(" alert ");
	snprintf(ret, size, "TLS: the server refuses this client: %.*s",
		 (int)strcspn(alert, ",\n"), alert);
	return EPROTO;
}

static int explain_cut(CURL *c, const char *why, char *ret, size_t size)
{
	long status = 0;
	int code = explain_tls_alert(why, ret, size);

	if (code)
		return code;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	snprintf(ret, size, "%s",
		 status > 0 ? "closed in the middle of the answer"
			    : "closed without an answer");
	return ECONNRESET;
}

static const struct {
	CURLcode curl;
	int code;
	const char *text;
} reasons[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH,
	  "look up the name: it has no address, or no name server answers" },
	{ CURLE_COULDNT_RESOLVE_PROXY, EHOSTUNREACH,
	  "look up the proxy's name: it has no address, or no name server "
	  "answers" },
	{ CURLE_SSL_CERTPROBLEM, EINVAL,
	  "TLS: the own certificate or its key is not usable" },
	{ CURLE_SSL_CACERT_BADFILE, EINVAL, "TLS: the CA is not usable" },
	{ CURLE_PARTIAL_FILE, ECONNRESET,
	  "closed in the middle of the answer" },
	{ CURLE_GOT_NOTHING, ECONNRESET, "closed without an answer" },
	{ CURLE_UNSUPPORTED_PROTOCOL, EPROTO,
	  "not the answer that was asked for" },
	{ CURLE_WEIRD_SERVER_REPLY, EPROTO,
	  "not the answer that was asked for" },
	{ CURLE_OUT_OF_MEMORY, ENOMEM, "Cannot allocate memory" },
};

static int explain_by_table(CURLcode code, char *ret, size_t size)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].curl != code)
			continue;
		snprintf(ret, size, "%s", reasons[i].text);
		return reasons[i].code;
	}
	snprintf(ret, size, "%s", curl_easy_strerror(code));
	return EIO;
}

int http_handle_explain(CURL *c, const struct http_target *t, CURLcode code,
			const char *why, char *ret, size_t size)
{
	long proxy_status = 0;
	int r;

	curl_easy_getinfo(c, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
	if (proxy_status >= 300) {
		snprintf(ret, size, "the proxy answers HTTP status %ld",
			 proxy_status);
		return ECONNREFUSED;
	}
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return explain_distrust(t, why, ret, size);
	case CURLE_COULDNT_CONNECT:
		return explain_connect(c, t, why, ret, size);
	case CURLE_OPERATION_TIMEDOUT:
		snprintf(ret, size, "no progress for %u s", t->timeout);
		return ETIMEDOUT;
	case CURLE_SSL_CONNECT_ERROR:
		r = explain_tls_alert(why, ret, size);
		if (r == 0)
			snprintf(ret, size,
				 "TLS: no handshake: not a TLS server, or it "
				 "refuses this client");
		return r ? r : EPROTO;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return explain_cut(c, why, ret, size);
	default:
		return explain_by_table(code, ret, size);
	}
}

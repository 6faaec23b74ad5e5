/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/remote.h"

#include "cellsadm/adm.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/http_problem.h"
#include "lib/http_retry.h"
#include "lib/pagination.h"

#include <errno.h>
#include <string.h>

#define TIMEOUT_SECONDS 90 /* the server waits up to 60 for an action */

/* A busy server says when to come again. */
static const struct http_retry retry = {
	.tries = 4,
	.wait_max = 20,
	.only_announced = true,
};

struct remote {
	struct http *http;
};

static void remote_free(struct remote *r)
{
	if (!r)
		return;
	http_free(r->http);
	free(r);
}

static void remote_freep(struct remote **r)
{
	remote_free(*r);
}

void remote_close(struct adm *a)
{
	remote_free(a->remote);
	a->remote = NULL;
}

static int open_connection(struct adm *a, struct err *e)
{
	AUTO(remote_freep) struct remote *r = NULL;
	const struct admin_config *c;
	struct http_target server = { .timeout = TIMEOUT_SECONDS };
	int ret;

	if (a->remote)
		return 0;
	ret = adm_get_server(a, &c, e);
	if (ret < 0)
		return ret;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_oom(e, c->host);
	server.host = c->host;
	server.port = c->port;
	server.ca_pem = c->ca_pem;
	server.token = c->token;
	ret = http_new(&server, &r->http, e);
	if (ret < 0)
		return ret;
	a->remote = steal(r);
	return 0;
}

char *remote_format_path(const char *const *path)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	char separator = '?';

	if (!f)
		return NULL;
	fputs("/v1", f);
	for (; *path && strcmp(*path, "?") != 0; path++) {
		putc('/', f);
		pagination_escape(f, *path);
	}
	for (path += *path != NULL; *path; path += 2) {
		if (!path[1])
			continue;
		putc(separator, f);
		pagination_escape(f, path[0]);
		putc('=', f);
		pagination_escape(f, path[1]);
		separator = '&';
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int send_http_request(struct adm *a, const char *method,
			     const char *path, const char *body,
			     struct http_answer *ret, struct err *e)
{
	uint8_t random[16];
	char key[64] = "Idempotency-Key: ", what[128];
	const char *const headers[] = { key, NULL };
	struct http_request rq = {
		.method = method,
		.path = path,
		.body = body,
		.body_len = body ? strlen(body) : 0,
	};
	int r = open_connection(a, e);

	if (r < 0)
		return r;
	if (strcmp(method, "POST") == 0) {
		hash_random(random, sizeof(random));
		encoding_to_hex(random, sizeof(random), key + strlen(key));
		rq.headers = headers;
	}
	r = http_retry_call(a->remote->http, &rq, &retry, ret, e);
	if (r < 0)
		return r;
	if (ret->status >= 200 && ret->status <= 299)
		return 0;
	snprintf(what, sizeof(what), "%s %s", method, path);
	return http_problem_set(ret, what, e);
}

static int send_json_request(struct adm *a, const char *method,
			     const char *const *path, const json_t *body,
			     json_t **ret, struct err *e)
{
	AUTO(http_answer_fini) struct http_answer answer = { 0 };
	auto_free char *text = remote_format_path(path);
	auto_free char *sent = body ? json_text(body) : NULL;
	int r;

	if (!text || (body && !sent))
		return err_oom(e, method);
	r = send_http_request(a, method, text, sent, &answer, e);
	if (r < 0 || !ret)
		return r;
	if (answer.body_len == 0) {
		*ret = json_object();
		return *ret ? 0 : err_oom(e, text);
	}
	return json_parse(answer.body, answer.body_len, text, ret, e);
}

int remote_get(struct adm *a, const char *const *path, json_t **ret,
	       struct err *e)
{
	return send_json_request(a, "GET", path, NULL, ret, e);
}

int remote_send(struct adm *a, const char *method, const char *const *path,
		const json_t *body, json_t **ret, struct err *e)
{
	return send_json_request(a, method, path, body, ret, e);
}

int remote_get_text(struct adm *a, const char *const *path, char **ret,
		    size_t *ret_len, struct err *e)
{
	AUTO(http_answer_fini) struct http_answer answer = { 0 };
	auto_free char *text = remote_format_path(path);
	int r;

	if (!text)
		return err_oom(e, "GET");
	r = send_http_request(a, "GET", text, NULL, &answer, e);
	if (r < 0)
		return r;
	*ret_len = answer.body_len;
	*ret = steal(answer.body);
	return 0;
}

static int fetch_list_page(void *ctx, const char *path, json_t **ret,
			   struct err *e)
{
	AUTO(http_answer_fini) struct http_answer answer = { 0 };
	int r = send_http_request(ctx, "GET", path, NULL, &answer, e);

	return r < 0 ? r
		     : json_parse(answer.body, answer.body_len, path, ret, e);
}

int remote_list(struct adm *a, const char *const *path, unsigned int max,
		json_t **ret, struct err *e)
{
	auto_free char *text = remote_format_path(path);

	if (!text)
		return err_oom(e, "list");
	return pagination_read(text, max, fetch_list_page, a, ret, e);
}

int remote_list_newest(struct adm *a, const char *const *path, unsigned int max,
		       json_t **ret, struct err *e)
{
	auto_json json_t *items = NULL, *turned = json_array();
	int r = remote_list(a, path, max, &items, e);

	if (r < 0)
		return r;
	if (!max) {
		*ret = steal(items);
		return 0;
	}
	for (size_t i = json_array_size(items); i-- > 0;)
		if (json_array_append(turned, json_array_get(items, i)) < 0)
			return err_oom(e, "list");
	*ret = steal(turned);
	return 0;
}

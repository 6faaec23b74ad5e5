/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For test_http.py: makes calls by lib/http.h and says what came of each, one
 * line of JSON: httpcall HOST PORT CA|DIGEST METHOD PATH [COUNT [BODY-BYTES]].
 * METHOD,METHOD: the last call has the second.
 * Environment: TIMEOUT, ANSWER_MAX, TOKEN, HEADER, PROXY, CERT and KEY (files).
 */
#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/io.h"
#include "lib/json.h"
#include "lib/log.h"

#include <string.h>

#define FILE_MAX 65536

static uint64_t number(const char *s)
{
	uint64_t n = 0;

	if (s && encoding_parse_number(s, UINT32_MAX, &n) < 0)
		exit(EXIT_FAILURE);
	return n;
}

static char *file(const char *name)
{
	char *text = NULL;
	struct err e;
	size_t len;

	if (name && io_read_file(name, FILE_MAX, &text, &len, &e) < 0) {
		log_error("%s", e.text);
		exit(EXIT_FAILURE);
	}
	return text;
}

static void say(int r, const struct err *e, const struct http_answer *a)
{
	auto_json json_t *j =
		r < 0 ? json_pack("{s:i, s:s}", "error", -r, "text", e->text)
		      : json_pack("{s:i, s:s, s:s, s:i, s:I, s:s%}", "status",
				  a->status, "type", a->content_type, "etag",
				  a->etag, "retry_after", (int)a->retry_after,
				  "length", (json_int_t)a->body_len, "body",
				  a->body ? a->body : "",
				  a->body_len < 200 ? a->body_len : 200);
	auto_free char *text = j ? json_text(j) : NULL;

	printf("%s\n", text ? text : "null");
}

int main(int argc, char **argv)
{
	auto_free char *ca = NULL, *cert = NULL, *key = NULL, *body = NULL;
	AUTO(http_freep) struct http *h = NULL;
	const char *headers[] = { getenv("HEADER"), NULL };
	uint8_t digest[HASH_SIZE];
	struct http_target s = { 0 };
	struct http_request rq = { .headers = headers };
	const char *last;
	uint64_t count;
	struct err e;
	int r;

	if (argc < 6)
		return EXIT_FAILURE;
	s.host = argv[1];
	s.port = (uint16_t)number(argv[2]);
	s.timeout = (unsigned int)number(getenv("TIMEOUT"));
	s.token = getenv("TOKEN");
	s.proxy = getenv("PROXY");
	s.cert_pem = cert = file(getenv("CERT"));
	s.key_pem = key = file(getenv("KEY"));
	if (encoding_parse_digest(argv[3], digest) == 0)
		s.ca_digest = digest;
	else
		s.ca_pem = ca = file(argv[3]);
	rq.method = strtok(argv[4], ",");
	last = strtok(NULL, ",");
	count = argc > 6 ? number(argv[6]) : 1;
	rq.path = argv[5];
	rq.answer_max = number(getenv("ANSWER_MAX"));
	rq.body_len = argc > 7 ? number(argv[7]) : 0;
	if (rq.body_len > 0) {
		rq.body = body = malloc(rq.body_len);
		memset(body, 'x', rq.body_len);
	}
	r = http_new(&s, &h, &e);
	if (r < 0)
		say(r, &e, NULL);
	for (uint64_t i = 0; r == 0 && i < count; i++) {
		AUTO(http_answer_fini) struct http_answer a = { 0 };
		int failed;

		if (last && i == count - 1)
			rq.method = last;
		failed = http_call(h, &rq, &a, &e);
		say(failed, &e, &a);
	}
	return EXIT_SUCCESS;
}

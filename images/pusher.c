/* SPDX-License-Identifier: Apache-2.0 */
#include "images/pusher.h"

#include "images/bundle.h"
#include "images/comparison.h"
#include "images/interrupt.h"
#include "images/progress.h"
#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/clock.h"
#include "lib/document/doc.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/http_problem.h"
#include "lib/http_retry.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define BATCH 10000 /* digests that POST /v1/chunks/missing takes */
#define TICK_NS (50 * 1000 * 1000)
#define NS UINT64_C(1000000000)

/* Sleeps in small pieces, so that ^C is heard. */
static int sleep_interruptibly(uint64_t ns, struct err *e)
{
	uint64_t until = clock_mono_ns() + ns;

	for (;;) {
		uint64_t now = clock_mono_ns();
		struct timespec ts = { .tv_nsec = TICK_NS };
		int r = interrupt_check(e);

		if (r < 0 || now >= until)
			return r;
		if (until - now < TICK_NS)
			ts.tv_nsec = (long)(until - now);
		nanosleep(&ts, NULL);
	}
}

static const struct http_retry retry = {
	.tries = 5,
	.wait_max = 60,
	.first_wait = NS / 2,
	.wait = sleep_interruptibly,
};

static int call_with_retries(struct http *h, const struct http_request *rq,
			     struct http_answer *ret, struct err *e)
{
	int r = interrupt_check(e);

	return r < 0 ? r : http_retry_call(h, rq, &retry, ret, e);
}

/* Keeps of the n blobs those that the server says it lacks. */
static int parse_missing_chunks(const struct http_answer *a,
				struct comparison_blob *blobs, size_t *n,
				struct err *e)
{
	json_t *list = NULL;
	const struct json_member members[] = {
		{ "missing", JSON_ARRAY, false, &list },
		{ NULL },
	};
	auto_json json_t *j = NULL;
	size_t kept = 0;
	int r;

	r = json_parse(a->body, a->body_len, "the server's answer", &j, e);
	if (r == 0)
		r = json_read_object(j, members, false, "the server's answer",
				     e);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		struct comparison_blob *found = NULL, key = { 0 };

		if (s && encoding_parse_digest(s, key.digest) == 0)
			for (size_t k = kept; !found && k < *n; k++)
				if (memcmp(blobs[k].digest, key.digest,
					   HASH_SIZE) == 0)
					found = &blobs[k];
		if (!found)
			return err_set(e, EINVAL,
				       "the server lacks what it was not asked "
				       "for");
		key = *found;
		*found = blobs[kept];
		blobs[kept++] = key;
	}
	if (r == 0)
		*n = kept;
	return r;
}

static int request_missing_chunks(struct http *h, struct comparison_blob *blobs,
				  size_t *n, struct err *e)
{
	json_t *digests = json_array();
	auto_json json_t *j = json_pack("{so}", "digests", digests);
	AUTO(http_answer_fini) struct http_answer a = { 0 };
	struct http_request rq = { .method = "POST",
				   .path = "/v1/chunks/missing" };
	auto_free char *body = NULL;
	int r;

	for (size_t i = 0; i < *n; i++) {
		char s[ENCODING_DIGEST_SIZE];

		encoding_format_digest(blobs[i].digest, s);
		json_array_append_new(digests, json_string(s));
	}
	body = j ? json_text(j) : NULL;
	if (!body)
		return err_oom(e, "ask for missing chunks");
	rq.body = body;
	rq.body_len = strlen(body);
	r = call_with_retries(h, &rq, &a, e);
	if (r == 0 && a.status != 200)
		r = http_problem_set(&a, "ask for missing chunks", e);
	return r < 0 ? r : parse_missing_chunks(&a, blobs, n, e);
}

/* Stays below the rate on the whole. */
static int limit_send_rate(const struct pusher *p, uint64_t began,
			   struct err *e)
{
	uint64_t now = clock_mono_ns(), due;

	if (!p->rate)
		return 0;
	due = began +
	      (uint64_t)((double)p->sent_bytes * (double)NS / (double)p->rate);
	return due > now ? sleep_interruptibly(due - now, e) : 0;
}

static int send_chunk_blob(struct http *h, const struct bundle *b,
			   const struct comparison_blob *blob, struct pusher *p,
			   struct err *e)
{
	AUTO(http_answer_fini) struct http_answer a = { 0 };
	char digest[ENCODING_DIGEST_SIZE], path[128];
	struct http_request rq = {
		.method = "PUT",
		.path = path,
		.content_type = "application/octet-stream",
	};
	auto_free void *data = NULL;
	int r;

	r = bundle_read_chunk(b, blob->digest, CHUNK_LIST_MAX, &data,
			      &rq.body_len, e);
	if (r < 0)
		return r;
	encoding_format_digest(blob->digest, digest);
	snprintf(path, sizeof(path), "/v1/chunks/%s", digest);
	rq.body = data;
	r = call_with_retries(h, &rq, &a, e);
	if (r == 0 && a.status != 200 && a.status != 201)
		r = http_problem_set(&a, "send a chunk", e);
	if (r < 0)
		return r;
	p->sent_chunks++;
	p->sent_bytes += rq.body_len;
	return 0;
}

static int send_signed_document(struct http *h, const struct bundle *b,
				struct pusher *p, struct err *e)
{
	AUTO(http_answer_fini) struct http_answer a = { 0 };
	struct http_request rq = { .method = "POST", .path = "/v1/documents" };
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;
	const char *state;
	int r;

	r = envelope_text(b->env, &text, e);
	if (r < 0)
		return r;
	rq.body = text;
	rq.body_len = strlen(text);
	r = call_with_retries(h, &rq, &a, e);
	if (r == 0 && a.status != 200 && a.status != 201)
		r = http_problem_set(&a, "send the document", e);
	if (r == 0)
		r = json_parse(a.body, a.body_len, "the server's answer", &j,
			       e);
	if (r < 0)
		return r;
	state = json_string_value(json_object_get(j, "state"));
	snprintf(p->state, sizeof(p->state), "%s", state ? state : "?");
	return 0;
}

/* Asks and sends batch by batch. */
static int send_missing_chunks(struct http *h, const struct bundle *b,
			       struct comparison_blob *blobs, size_t n,
			       struct pusher *p, struct err *e)
{
	AUTO(progress_end) struct progress_meter m;
	uint64_t began = clock_mono_ns(), total = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		total += blobs[i].stored;
	progress_init(&m, "pushing", total);
	for (size_t from = 0; r == 0 && from < n; from += BATCH) {
		size_t batch = n - from < BATCH ? n - from : BATCH;
		size_t missing = batch;
		uint64_t lacking = 0, all = 0;

		for (size_t i = 0; i < batch; i++)
			all += blobs[from + i].stored;
		r = request_missing_chunks(h, blobs + from, &missing, e);
		for (size_t i = 0; r == 0 && i < missing; i++)
			lacking += blobs[from + i].stored;
		progress_add(&m, all - lacking);
		for (size_t i = 0; r == 0 && i < missing; i++) {
			r = send_chunk_blob(h, b, &blobs[from + i], p, e);
			progress_add(&m, blobs[from + i].stored);
			if (r == 0)
				r = limit_send_rate(p, began, e);
		}
	}
	return r;
}

int pusher_run(struct http *h, const struct bundle *b, struct pusher *p,
	       struct err *e)
{
	auto_free struct comparison_blob *blobs = NULL;
	size_t n;
	int r;

	if (!b->env || b->env->n_signatures == 0)
		return err_set(
			e, EINVAL,
			"push %s: not signed (sign " BUNDLE_DOCUMENT
			" and put the envelope beside it as " BUNDLE_SIGNED ")",
			b->path);
	r = comparison_list_blobs(b, true, &blobs, &n, e);
	if (r < 0)
		return r;
	p->chunks = n;
	r = send_missing_chunks(h, b, blobs, n, p, e);
	return r < 0 ? r : send_signed_document(h, b, p, e);
}

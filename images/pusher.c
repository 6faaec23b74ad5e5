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
#include "lib/json.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define BATCH 10000 /* digests that POST /v1/chunks/missing takes */
#define TRIES 5
#define WAIT_MAX 60	       /* seconds of Retry-After that are honoured */
#define FIRST_WAIT_NS (NS / 2) /* then twice as long each time */
#define TICK_NS (50 * 1000 * 1000)
#define NS UINT64_C(1000000000)

int pusher_set_problem(const struct http_answer *a, const char *what,
		       struct err *e)
{
	const char *detail = NULL, *title = NULL, *code = NULL;
	auto_json json_t *j = NULL;
	struct err ignored;

	if (json_parse(a->body, a->body_len, what, &j, &ignored) == 0) {
		detail = json_string_value(json_object_get(j, "detail"));
		title = json_string_value(json_object_get(j, "title"));
		code = json_string_value(json_object_get(j, "code"));
	}
	return err_set(e, a->status == 403 || a->status == 401 ? EACCES : EIO,
		       "%s: %s%s%s%s (HTTP %d)", what,
		       detail  ? detail
		       : title ? title
			       : "refused by the server",
		       code ? " [" : "", code ? code : "", code ? "]" : "",
		       a->status);
}

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

/* Not the fault of what was asked: worth another try. */
static bool is_transient_failure(int r, const struct http_answer *a)
{
	return r < 0 ? r != -ENOMEM && r != -EFBIG
		     : a->status == 429 || a->status == 502 ||
			       a->status == 503 || a->status == 504;
}

/* One request, tried again over short breaks. *ret is the caller's to end. */
static int call_with_retries(struct http *h, const struct http_request *rq,
			     struct http_answer *ret, struct err *e)
{
	for (unsigned int try = 1;; try++) {
		struct http_answer a = { 0 };
		uint64_t wait;
		int r = interrupt_check(e);

		if (r < 0)
			return r;
		r = http_call(h, rq, &a, e);
		if (try == TRIES || !is_transient_failure(r, &a)) {
			if (r == 0)
				*ret = a;
			return r;
		}
		wait = FIRST_WAIT_NS << (try - 1);
		if (r == 0 && a.retry_after)
			wait = NS * (a.retry_after < WAIT_MAX ? a.retry_after
							      : WAIT_MAX);
		if (r == 0)
			http_answer_fini(&a);
		r = sleep_interruptibly(wait, e);
		if (r < 0)
			return r;
	}
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
		r = pusher_set_problem(&a, "ask for missing chunks", e);
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
		r = pusher_set_problem(&a, "send a chunk", e);
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
		r = pusher_set_problem(&a, "send the document", e);
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

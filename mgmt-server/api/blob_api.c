/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks over REST: what is missing, put, get. */
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/snapshot.h"
#include "mgmt-server/store/blob.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DIGESTS_MAX 10000

static int parse_digest_param(const struct request *rq, uint8_t ret[HASH_SIZE],
			      struct err *e)
{
	if (encoding_parse_digest(rq->param[0], ret) < 0)
		return err_set(e, PROBLEM_NOT_FOUND,
			       "not a digest like sha256:<64 hex digits>");
	return 0;
}

/* "bytes=A-B", "bytes=A-" or "bytes=-N"; anything else is as if it were not. */
static int apply_byte_range(struct answer *a, const char *range, struct err *e)
{
	unsigned long long from, to;
	char end;

	a->len = a->file_size;
	if (sscanf(range, "bytes=%llu-%llu%c", &from, &to, &end) == 2) {
		if (from > to)
			return 0;
	} else if (sscanf(range, "bytes=-%llu%c", &to, &end) == 1) {
		from = to > a->file_size ? 0 : a->file_size - to;
		to = UINT64_MAX;
	} else if (sscanf(range, "bytes=%llu-%c", &from, &end) == 1 &&
		   range[strlen(range) - 1] == '-') {
		to = UINT64_MAX;
	} else {
		return 0;
	}
	if (from >= a->file_size)
		return err_set(e, ERANGE, "the chunk has %llu bytes",
			       (unsigned long long)a->file_size);
	if (to >= a->file_size)
		to = a->file_size - 1;
	a->offset = from;
	a->len = to - from + 1;
	a->partial = true;
	a->status = 206;
	return 0;
}

int blob_api_get_chunk(struct request *rq, struct err *e)
{
	struct answer *a = &rq->answer;
	uint8_t digest[HASH_SIZE];
	int r = parse_digest_param(rq, digest, e);

	if (r == 0)
		r = blob_read(rq->context->turn->blobs, digest, &a->fd,
			      &a->file_size, e);
	if (r < 0)
		return r;
	a->status = 200;
	a->type = "application/octet-stream";
	a->immutable = true;
	r = apply_byte_range(a, rq->range, e);
	if (r == 0)
		rq->context->turn->metrics->chunk_bytes += a->len;
	return r;
}

/* http_server.c has let the body into a sink, which has checked it. */
int blob_api_put_chunk(struct request *rq, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	int r = parse_digest_param(rq, digest, e);

	if (r < 0)
		return r;
	if (!rq->answer.status)
		rq->answer.status = 201;
	return snapshot_handle_new_chunk(rq->context->snapshots, rq->param[0],
					 e);
}

int blob_api_list_missing(struct request *rq, struct err *e)
{
	auto_json json_t *missing = json_array();
	json_t *digests = NULL, *j;
	const struct json_member table[] = {
		{ "digests", JSON_ARRAY, false, &digests },
		{ NULL },
	};
	size_t i;
	int r = request_parse_body(rq, table, e);

	if (r < 0)
		return r;
	if (json_array_size(digests) > DIGESTS_MAX)
		return err_set(e, EINVAL, "more than %d digests", DIGESTS_MAX);
	json_array_foreach (digests, i, j) {
		uint8_t digest[HASH_SIZE];

		if (!json_is_string(j) ||
		    encoding_parse_digest(json_string_value(j), digest) < 0)
			return err_set(e, EINVAL, "digests[%zu] is none", i);
		if (!blob_has(rq->context->turn->blobs, digest) &&
		    json_array_append(missing, j) < 0)
			return err_oom(e, "list missing chunks");
	}
	return request_answer_json(rq, 200,
				   json_pack("{s:O}", "missing", missing), e);
}

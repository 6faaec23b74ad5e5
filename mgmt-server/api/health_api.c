/* SPDX-License-Identifier: Apache-2.0 */
/* Is it there, does it work, how much, and which server is it. */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/api/root_api.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/store/pki.h"

#include <string.h>

int health_api_check_liveness(struct request *rq, struct err *e)
{
	return request_answer_text(rq, 200, "text/plain", strdup("ok\n"), e);
}

/* Takes the write lock, which a full or read-only disk would refuse. */
int health_api_check_readiness(struct request *rq, struct err *e)
{
	int r = turn_try_write(rq->context->turn, e);

	if (r < 0 || rq->context->turn->metrics->full)
		return err_set(e, PROBLEM_OVERLOADED,
			       "the database takes no writes");
	return request_answer_text(rq, 200, "text/plain", strdup("ready\n"), e);
}

int health_api_show_metrics(struct request *rq, struct err *e)
{

	return request_answer_text(
		rq, 200, "text/plain; version=0.0.4",
		metrics_format_text(rq->context->turn->metrics,
				    rq->context->turn->tree.size),
		e);
}

int health_api_show_server(struct request *rq, struct err *e)
{
	const struct key *director = pki_director_key(rq->context->pki);
	auto_json json_t *root = NULL, *first = NULL;
	auto_free char *spki = NULL;
	char ca[ENCODING_DIGEST_SIZE];
	const void *der;
	size_t len;
	int r = root_api_build_json(rq, 0, &root, e);

	if (r == 0)
		r = root_api_build_json(rq, 1, &first, e);
	if (r < 0)
		return r;
	der = key_spki(director, &len);
	spki = encoding_to_base64(der, len);
	encoding_format_digest(pki_ca_digest(rq->context->pki), ca);
	return request_answer_json(
		rq, 200,
		json_pack("{s:s, s:s, s:o, s:{s:s, s:s}, s:s, s:i, s:O, s:O}",
			  "org", rq->context->org, "version", VERSION, "time",
			  request_optional_time(clock_wall()), "director",
			  "keyid", key_id(director), "spki", spki ? spki : "",
			  "ca_sha256", ca, "device_port",
			  (int)rq->context->device_port, "root", root,
			  "first_root", first),
		e);
}

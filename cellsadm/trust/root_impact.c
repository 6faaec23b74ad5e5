/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/root_impact.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/trust_root.h"
#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/document/threshold.h"
#include "lib/err.h"
#include "lib/json.h"

#include <errno.h>
#include <stdio.h>

static int check_document_threshold(struct adm *a, const struct doc_root *next,
				    const json_t *item, unsigned int *lost,
				    struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	struct threshold_result signers = { 0 };
	auto_json json_t *j = NULL;
	struct err why;
	int r = remote_get(a,
			   REMOTE_PATH("documents",
				       json_get_string(item, "sha256"),
				       "envelope"),
			   &j, e);

	if (r >= 0)
		r = envelope_from_json(j, &env, e);
	if (r < 0 || threshold_check(next, env, NULL, &signers, &why) == 0)
		return r;
	fprintf(stderr,
		"root version %u takes the threshold from %s %s version %lld "
		"(%u of %u signers): sign it again before, or it turns into a "
		"proposal\n",
		next->head.version, json_get_string(item, "type"),
		json_get_string(item, "id"),
		(long long)json_integer_value(json_object_get(item, "version")),
		signers.count, signers.threshold);
	(*lost)++;
	return 0;
}

int root_impact_report(struct adm *a, const struct doc_root *next,
		       unsigned int *ret, struct err *e)
{
	auto_json json_t *items = NULL;
	static const char filter[] =
		"state eq active or state eq valid and type ne root";
	const json_t *item;
	size_t i;
	int r;

	*ret = 0;
	if (!adm_get_server_or_null(a))
		return err_set(e, ENOENT, "no server is configured");
	r = remote_list(a, REMOTE_PATH("documents", "?", "filter", filter), 0,
			&items, e);
	json_array_foreach (items, i, item)
		if (r >= 0 && doc_type_from_name(json_get_string(
				      item, "type")) != DOC_ROOT)
			r = check_document_threshold(a, next, item, ret, e);
	return r < 0 ? r : 0;
}

void root_impact_try_report(struct adm *a, const struct doc_root *next)
{
	unsigned int lost;
	struct err e;

	if (next->head.version > 1 && adm_get_server_or_null(a) &&
	    root_impact_report(a, next, &lost, &e) < 0)
		fprintf(stderr,
			"note: which documents this root takes out of force is "
			"not known: %s\n",
			e.text);
}

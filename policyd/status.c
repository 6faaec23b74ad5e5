/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/status.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/text.h"
#include "policyd/auditlog.h"
#include "policyd/device.h"
#include "policyd/issuer.h"
#include "policyd/password.h"
#include "policyd/policyd.h"

#include <string.h>

static json_t *group_json(struct policyd *p)
{
	auto_free char *group = NULL;
	struct err ignored;

	if (store_text(p->store, STORE_GROUP, &group, &ignored) < 0)
		return json_null();
	return json_pack("{ss sI}", "id", group, "min_version",
			 (json_int_t)store_int(p->store, STORE_GROUP_MIN, 1));
}

static json_t *snapshot_json(const struct snapshot *s)
{
	char digest[TEXT_DIGEST_SIZE], issued[TEXT_TIME_SIZE],
		expires[TEXT_TIME_SIZE];

	if (!s)
		return json_null();
	text_digest(s->digest, digest);
	text_time(s->issued, issued);
	text_time(s->expires, expires);
	return json_pack("{sI ss ss ss}", "version", (json_int_t)s->version,
			 "sha256", digest, "issued", issued, "expires",
			 expires);
}

static json_t *staged_json(const struct policyd *p)
{
	json_t *j = snapshot_json(p->staged);

	if (p->staged) {
		json_object_set_new(
			j, "missing",
			json_integer(p->staged->n - p->staged_docs.n));
		json_object_set_new(j, "blocked",
				    json_boolean(p->staged_blocked));
	}
	return j;
}

static json_t *vps_json(struct policyd *p)
{
	json_t *vps = json_array();

	for (unsigned int i = 0; vps && i < p->force.n; i++) {
		const struct doc *d = p->force.doc[i]->doc;
		char state[STORE_WORD_SIZE];
		struct err ignored;

		if (d->head.type != DOC_VP_CONFIG ||
		    store_vp_state(p->store, d->head.id, state, &ignored) < 0)
			continue;
		json_array_append_new(
			vps, json_pack("{ss ss ss sb}", "name", d->head.id,
				       "label", doc_as_vp_config(d)->label,
				       "state", state, "protected",
				       doc_as_vp_config(d)->is_protected));
	}
	return vps;
}

static json_t *pair(struct policyd *p, const char *receipts, const char *audit)
{
	return json_pack("{sI sI}", "receipts",
			 (json_int_t)store_int(p->store, receipts, 0), "audit",
			 (json_int_t)store_int(p->store, audit, 0));
}

int status_text(struct policyd *p, char **ret, struct err *e)
{
	char state[TEXT_DIGEST_SIZE], time[TEXT_TIME_SIZE];
	auto_json json_t *j = NULL;

	issuer_state(p, state);
	text_time(policyd_now(p), time);
	j = json_pack("{sb ss? ss? ss? so ss ss ss so so so so so so so so sI}",
		      "enrolled", p->root != NULL, "device",
		      p->root ? p->device_id : NULL, "epoch",
		      p->root ? p->epoch : NULL, "org", p->root ? p->org : NULL,
		      "group", group_json(p), "enforcement",
		      doc_level_name(device_level(p)), "state", state,
		      "secure_time", time, "documents", issuer_documents(p),
		      "snapshot", snapshot_json(p->snapshot), "staged",
		      staged_json(p), "inventory", device_inventory(p), "vps",
		      vps_json(p), "seq",
		      pair(p, STORE_RECEIPT_SEQ, STORE_AUDIT_SEQ), "acked",
		      pair(p, STORE_RECEIPT_ACKED, STORE_AUDIT_ACKED),
		      "locked_out", password_waits(p), "root_version",
		      (json_int_t)(p->root ? p->root->head.version : 0));
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "status");
}

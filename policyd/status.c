/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/status.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "policyd/cellsd_state.h"
#include "policyd/password.h"
#include "policyd/policyd.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/receipt_issuer.h"

#include <errno.h>
#include <string.h>

static int build_group_json(struct policyd *p, json_t **ret, struct err *e)
{
	auto_free char *group = NULL;
	int64_t min = 1;
	int r = store_lookup_text(p->store, STORE_GROUP, &group, e);

	if (r == -ENOENT) {
		*ret = json_null();
		return 0;
	}
	if (r == 0)
		r = store_get_int(p->store, STORE_GROUP_MIN, 1, &min, e);
	if (r < 0)
		return r;
	*ret = json_pack("{ss sI}", "id", group, "min_version",
			 (json_int_t)min);
	return 0;
}

static json_t *build_snapshot_json(const struct snapshot *s)
{
	char digest[ENCODING_DIGEST_SIZE], issued[ENCODING_TIME_SIZE],
		expires[ENCODING_TIME_SIZE];

	if (!s)
		return json_null();
	encoding_format_digest(s->digest, digest);
	encoding_format_time(s->issued, issued);
	encoding_format_time(s->expires, expires);
	return json_pack("{sI ss ss ss}", "version", (json_int_t)s->version,
			 "sha256", digest, "issued", issued, "expires",
			 expires);
}

static json_t *build_staged_json(const struct policyd *p)
{
	json_t *j = build_snapshot_json(p->state.staged);

	if (p->state.staged) {
		json_object_set_new(j, "missing",
				    json_integer(p->state.staged->n -
						 p->state.staged_docs.n));
		json_object_set_new(j, "blocked",
				    json_boolean(p->state.staged_blocked));
	}
	return j;
}

static int build_vps_json(struct policyd *p, json_t **ret, struct err *e)
{
	*ret = json_array();
	for (unsigned int i = 0; i < p->state.in_force.n; i++) {
		const struct doc *d = p->state.in_force.doc[i]->doc;
		char state[STORE_WORD_SIZE];
		int r;

		if (d->head.type != DOC_VP_CONFIG)
			continue;
		r = store_get_vp_state(p->store, d->head.id, state, e);
		if (r < 0)
			return r;
		json_array_append_new(
			*ret, json_pack("{ss ss ss sb}", "name", d->head.id,
					"label", doc_as_vp_config(d)->label,
					"state", state, "protected",
					doc_as_vp_config(d)->is_protected));
	}
	return 0;
}

static int build_counter_pair(struct policyd *p, const char *receipts,
			      const char *audit, json_t **ret, struct err *e)
{
	int64_t n_receipts = 0, n_audit = 0;
	int r = store_get_int(p->store, receipts, 0, &n_receipts, e);

	if (r == 0)
		r = store_get_int(p->store, audit, 0, &n_audit, e);
	if (r < 0)
		return r;
	*ret = json_pack("{sI sI}", "receipts", (json_int_t)n_receipts, "audit",
			 (json_int_t)n_audit);
	return 0;
}

static int build_stream_json(struct policyd *p, const char *last,
			     const char *head, int64_t first, json_t **ret,
			     struct err *e)
{
	auto_free char *hex = NULL;
	char digest[ENCODING_DIGEST_SIZE];
	int64_t seq = 0;
	int r = store_get_int(p->store, last, 0, &seq, e);

	if (r == 0)
		r = store_get_text(p->store, head, "", &hex, e);
	if (r < 0)
		return r;
	snprintf(digest, sizeof(digest), "sha256:%s", hex);
	*ret = json_pack("{sI sI ss*}", "first", (json_int_t)first, "last",
			 (json_int_t)seq, "sha256",
			 hex && *hex ? digest : NULL);
	return 0;
}

/* What the device can send: the server says what it lacks of it. */
static int build_holds_json(struct policyd *p, json_t **ret, struct err *e)
{
	auto_json json_t *receipts = NULL, *audit = NULL;
	int64_t first = 0, floor = 0, gone = 0;
	int r = store_get_oldest_receipt(p->store, &first, e);

	/* What a command refers to is kept beyond the rest. */
	if (r == 0)
		r = store_get_int(p->store, STORE_RECEIPT_FLOOR, 0, &gone, e);
	if (first > 0 && first <= gone)
		first = gone + 1;

	if (r == 0)
		r = build_stream_json(p, STORE_RECEIPT_SEQ, STORE_RECEIPT_HEAD,
				      first, &receipts, e);
	if (r == 0)
		r = store_get_oldest_audit(p->store, &first, e);
	if (r == 0)
		r = build_stream_json(p, STORE_AUDIT_SEQ, STORE_AUDIT_HEAD,
				      first, &audit, e);
	if (r == 0)
		r = store_get_int(p->store, STORE_SNAPSHOT_FLOOR, 0, &floor, e);
	if (r < 0)
		return r;
	*ret = json_pack("{sO sO sI}", "receipts", receipts, "audit", audit,
			 "snapshot", (json_int_t)floor);
	return 0;
}

int status_format_json(struct policyd *p, char **ret, struct err *e)
{
	auto_json json_t *group = NULL, *vps = NULL, *seq = NULL, *acked = NULL,
			 *holds = NULL, *j = NULL;
	char state[ENCODING_DIGEST_SIZE], time[ENCODING_TIME_SIZE];
	int r = build_group_json(p, &group, e);

	if (r == 0)
		r = build_vps_json(p, &vps, e);
	if (r == 0)
		r = build_counter_pair(p, STORE_RECEIPT_SEQ, STORE_AUDIT_SEQ,
				       &seq, e);
	if (r == 0)
		r = build_counter_pair(p, STORE_RECEIPT_ACKED,
				       STORE_AUDIT_ACKED, &acked, e);
	if (r == 0)
		r = build_holds_json(p, &holds, e);
	if (r < 0)
		return r;
	receipt_issuer_get_state_digest(&p->recorder, state);
	encoding_format_time(
		secure_time_get_presumed(&p->time, clock_boot_ns()), time);
	j = json_pack(
		"{sb ss? ss? ss? sO ss ss ss so so so so sO sO sO sO so sI}",
		"enrolled", p->state.root != NULL, "device",
		p->state.root ? p->identity.device : NULL, "epoch",
		p->state.root ? p->identity.epoch : NULL, "org",
		p->state.root ? p->identity.org : NULL, "group", group,
		"enforcement",
		doc_level_name(cellsd_state_get_level(p->cellsd)), "state",
		state, "secure_time", time, "documents",
		receipt_issuer_list_documents(&p->recorder), "snapshot",
		build_snapshot_json(p->state.snapshot), "staged",
		build_staged_json(p), "inventory",
		cellsd_state_format_inventory(p->cellsd), "vps", vps, "seq",
		seq, "acked", acked, "holds", holds, "locked_out",
		password_list_waits(p), "root_version",
		(json_int_t)(p->state.root ? p->state.root->head.version : 0));
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "status");
}

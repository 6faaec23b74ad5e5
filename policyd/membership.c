/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/membership.h"

#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "policyd/activate.h"
#include "policyd/command.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/receipt_issuer.h"
#include "policyd/receipt/recorder.h"
#include "policyd/receipt/refusal.h"

#include <string.h>

static int write_membership(const struct recorder *rec, struct store_command *j,
			    const struct doc_membership *m, struct err *e)
{
	const struct receipt_doc d = receipt_issuer_describe_document(&m->head);
	char hex[2 * HASH_SIZE + 1];
	int r = receipt_issuer_write(
		rec,
		&(struct receipt_issuer_fields){
			.type = RECEIPT_APPLIED,
			.document = &d,
			.details = json_pack(
				"{ss so}", "group", m->group, "documents",
				receipt_issuer_list_documents(rec)) },
		&j->receipt, e);

	j->done = true;
	if (r == 0)
		r = command_save(rec, j, e);
	if (r == 0)
		r = store_set_text(rec->store, STORE_GROUP, m->group, e);
	if (r == 0)
		r = store_set_int(rec->store, STORE_GROUP_MIN, m->min_version,
				  e);
	if (r == 0)
		r = store_set_int(rec->store, STORE_MEMBER_ISSUED,
				  m->head.issued, e);
	encoding_to_hex(m->head.digest, HASH_SIZE, hex);
	if (r == 0)
		r = store_set_text(rec->store, STORE_MEMBER_DIGEST, hex, e);
	/* The one that is awaited is of the old group. */
	if (r == 0)
		r = activate_delete_staged_rows(rec->store, e);
	return r < 0 ? r
		     : audit_log_write(rec, AUDIT_ACCEPTED, NULL, NULL,
				       json_pack("{ss ss ss}", "type", d.type,
						 "id", j->id, "action",
						 j->action),
				       e);
}

int membership_accept(const struct recorder *rec,
		      const struct doc_membership *m, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct store_command j = { .type = DOC_MEMBERSHIP,
				   .version = m->head.version,
				   .expires = m->head.expires,
				   .keep = command_get_retention(
					   rec->time,
					   m->head.expires - m->head.issued),
				   .action = "move",
				   .cause = "command" };
	int r;

	snprintf(j.id, sizeof(j.id), "%s", m->head.id);
	memcpy(j.digest, m->head.digest, HASH_SIZE);
	r = store_begin(rec->store, true, &tx, e);
	if (r == 0)
		r = write_membership(rec, &j, m, e);
	return r < 0 ? r : store_commit(&tx, e);
}

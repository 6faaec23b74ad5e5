/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every document that was submitted, with the signatures so far. A document is
 * valid when its signatures reach the threshold under the root in force; what a
 * caller may do at this server plays no part in that.
 */
#ifndef MGMT_SERVER_STORE_DOCUMENT_H
#define MGMT_SERVER_STORE_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/doc.h"
#include "lib/document/trust.h"
#include "lib/encoding.h"
#include "lib/json.h"

struct db;
struct envelope;
struct err;

/* As a condition in SQL, on the table of documents. */
#define DOCUMENT_IS_VALID "state IN ('valid', 'active', 'superseded')"

/* A valid document that was chosen, without its content. */
struct document_version {
	enum doc_type type;
	char id[DOC_ID_SIZE];
	uint32_t version;
	char sha256[ENCODING_DIGEST_SIZE];
};

/* The envelope's text, which the caller frees. -ENOENT. */
int document_load_envelope(struct db *db, const char *sha256, char **ret,
			   struct err *e);
/* The document, parsed. -ENOENT. */
int document_load(struct db *db, const char *sha256, struct doc **ret,
		  struct err *e);
/* "[{keyid,name}]" of a stored document; NULL if unknown. */
json_t *document_load_signers(struct db *db, const char *sha256);

/*
 * The newest valid document of at least that version that has not expired at
 * `now` (and, for an image, is complete). 1 found, 0 none.
 */
int document_find_newest(struct db *db, enum doc_type type, const char *id,
			 uint32_t min_version, int64_t now,
			 struct document_version *ret, struct err *e);

/* ---- for those who take documents in */
/*
 * Drops signatures by keys that the root does not know or that do not verify,
 * so that nobody can fill the envelope with others.
 */
void document_remove_bad_signatures(const struct doc_root *root,
				    uint64_t verified, struct envelope *env);
/* Is a failed trust check one that more signatures can mend? */
bool document_needs_signatures(const struct envelope *env, const struct err *e);
/* [{keyid,name}] of the root's keys that signed. */
json_t *document_list_signers(const struct doc_root *root,
			      const struct envelope *env);
/* Merges the envelope with the stored one of the same digest, if any. */
int document_merge_envelope(struct db *db, struct envelope *env,
			    bool *ret_known, struct err *e);
struct document_row {
	const struct envelope *env;
	const struct doc_head *head;
	const char *state, *submitter;
	json_t *signers; /* borrowed */
	unsigned int threshold;
	bool complete;
};
int document_store(struct db *db, const struct document_row *row,
		   struct err *e);
/* Times against the server's clock: err.expired, err.not-yet-valid. */
int document_check_times(const struct doc_head *head, struct err *e);

/* After the new `root`: what is valid under it, and what is not any more. What
 * follows from that is the caller's: snapshot_handle_document_change(). */
int document_revalidate_all(struct db *db, const struct doc_root *root,
			    struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the JSON in which the server says what a device should run, and
 * whether it is exactly what the device's group names (10-policy, What a device
 * checks). No I/O, no signatures.
 */
#ifndef POLICYD_DOCUMENT_SNAPSHOT_H
#define POLICYD_DOCUMENT_SNAPSHOT_H

#include "policyd/document/document_set.h"

#define SNAPSHOT_TYPE ENVELOPE_TYPE_JSON("snapshot")
#define SNAPSHOT_LIFE_MAX (24 * 3600) /* seconds */

struct err;

struct snapshot_entry {
	enum doc_type type;
	char id[DOC_ID_SIZE];
	uint32_t version;
	uint8_t digest[HASH_SIZE];
};

struct snapshot {
	char org[DOC_ID_SIZE], device[DOC_ID_SIZE], epoch[33];
	uint32_t version;
	int64_t issued, expires; /* seconds since 1970 */
	uint8_t digest[HASH_SIZE];
	unsigned int n;
	struct snapshot_entry entry[DOCUMENT_SET_MAX];
};

/* err.schema. The caller frees *ret with free(). */
int snapshot_parse(const void *json, size_t len, struct snapshot **ret,
		   struct err *e);

/* NULL: it names none. */
const struct snapshot_entry *snapshot_find_entry(const struct snapshot *s,
						 enum doc_type type,
						 const char *id);
bool snapshot_has_digest(const struct snapshot *s,
			 const uint8_t digest[HASH_SIZE]);

/* One group document, the device's, at the minimum or above. err.incomplete. */
int snapshot_check_group(const struct snapshot *s, const char *group,
			 uint32_t min, struct err *e);
/* Exactly what the group document names, at the minima or above: else
 * err.incomplete. */
int snapshot_check_group_refs(const struct snapshot *s,
			      const struct doc_group *g, struct err *e);
/*
 * Exactly the images that the configs of `docs` need. A config that is not
 * there yet is passed over: ask again when all are. err.incomplete.
 */
int snapshot_check_images(const struct snapshot *s,
			  const struct document_set *docs, struct err *e);

#endif

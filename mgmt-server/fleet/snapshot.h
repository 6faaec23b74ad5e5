/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a group's devices should run: its newest signed document, and of all
 * that this names the newest valid version; and each device's snapshot of it,
 * signed by the director.
 */
#ifndef MGMT_SERVER_FLEET_SNAPSHOT_H
#define MGMT_SERVER_FLEET_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "mgmt-server/store/document.h"

struct connections;
struct pki;
struct snapshot_cache;
struct turn;

/* The group itself, its policies and configs, and an image for each config. */
#define SNAPSHOT_DOCUMENTS_MAX (1 + 3 * DOC_VPS_MAX)

struct composition {
	char group[DOC_ID_SIZE];
	unsigned int n; /* 0: nothing can be made of it, see problem */
	struct document_version documents[SNAPSHOT_DOCUMENTS_MAX];
	char problem[256]; /* "": none */
};

/* Documents that are not stored, for a plan: they count as valid. */
struct snapshot_drafts {
	unsigned int n;
	struct doc **doc;
};

/* All that is given is borrowed: what is written to, by whom snapshots are
 * signed, who hears of changes. */
int snapshot_cache_new(struct turn *t, const struct pki *pki, const char *org,
		       struct connections *connections,
		       struct snapshot_cache **ret, struct err *e);
void snapshot_cache_free(struct snapshot_cache *c);
void snapshot_cache_clear(struct snapshot_cache *c);
/* At the next tick it is looked which images are complete. */
void snapshot_schedule_recheck(struct snapshot_cache *c);

/* Borrowed until the next change of a document. */
int snapshot_get_composition(struct snapshot_cache *s, const char *group,
			     const struct composition **ret, struct err *e);
/* The same, with drafts in place; not kept. */
int snapshot_compose_with_drafts(struct snapshot_cache *s, const char *group,
				 const struct snapshot_drafts *draft,
				 struct composition *ret, struct err *e);

/* Documents changed: states are settled, connected devices hear of it. */
int snapshot_handle_document_change(struct snapshot_cache *s, struct err *e);
/* Chunks came: images may be complete now. */
int snapshot_handle_new_chunk(struct snapshot_cache *s, const char *sha256,
			      struct err *e);
int snapshot_recheck_images(struct snapshot_cache *s, struct err *e);

#define SNAPSHOT_RENEW (12 * 3600) /* seconds: half a snapshot's life */
/* A device whose secure time lies further back takes no fresh command: it was
 * off, and only a newer snapshot moves its time. */
#define SNAPSHOT_LAG 300

/*
 * The device's newest snapshot, signed again if it is due: another set, another
 * epoch, or older than max_age seconds. *ret is NULL while none can be made.
 */
int snapshot_get_for_device(struct snapshot_cache *s, const char *device,
			    int64_t max_age, char **ret, bool *ret_new,
			    int64_t *ret_renew_at, struct err *e);
/* May the device read that document? 1, 0. */
int snapshot_is_document_readable(struct snapshot_cache *s, const char *device,
				  const char *sha256, struct err *e);

/* [{type,id,version,sha256}] */
json_t *snapshot_build_documents_json(const struct composition *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a group's devices should run: its newest signed document, and of all
 * that this names the newest valid version; and each device's snapshot of it,
 * signed by the director.
 */
#ifndef MGMT_SNAPSHOT_H
#define MGMT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "mgmt-server/document.h"

struct compose;
struct server;

/* The group itself, its policies and configs, and an image for each config. */
#define COMPOSE_MAX (1 + 3 * DOC_VPS_MAX)

struct composition {
	char group[DOC_ID_SIZE];
	unsigned int n; /* 0: nothing can be made of it, see problem */
	struct archive_pick pick[COMPOSE_MAX];
	char problem[256]; /* "": none */
};

/* Documents that are not stored, for a what-if: they count as valid. */
struct compose_draft {
	unsigned int n;
	struct doc **doc;
};

int compose_new(struct server *s, struct compose **ret, struct err *e);
void compose_free(struct compose *c);
void compose_forget(struct compose *c);
/* At the next tick it is looked which images are complete. */
void compose_look(struct compose *c);

/* Borrowed until the next change of a document. */
int compose_of(struct server *s, const char *group,
	       const struct composition **ret, struct err *e);
/* The same, with drafts in place; not kept. */
int compose_with(struct server *s, const char *group,
		 const struct compose_draft *draft, struct composition *ret,
		 struct err *e);

/* Documents changed: states are settled, connected devices hear of it. */
int compose_changed(struct server *s, struct err *e);
/* Chunks came: images may be complete now. */
int compose_chunk_came(struct server *s, const char *sha256, struct err *e);
int compose_tick(struct server *s, struct err *e);

#define COMPOSE_RENEW (12 * 3600) /* seconds: half a snapshot's life */
/* A device whose secure time lies further back takes no fresh command: it was
 * off, and only a newer snapshot moves its time. */
#define COMPOSE_LAG 300

/*
 * The device's newest snapshot, signed anew if it is due: another set, another
 * epoch, or older than max_age seconds. *ret is NULL while none can be made.
 */
int compose_device(struct server *s, const char *device, int64_t max_age,
		   char **ret, bool *ret_new, int64_t *ret_renew_at,
		   struct err *e);
/* May the device read that document? 1, 0. */
int compose_readable(struct server *s, const char *device, const char *sha256,
		     struct err *e);

/* [{type,id,version,sha256}] */
json_t *compose_json(const struct composition *c);

#endif

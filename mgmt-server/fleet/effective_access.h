/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use what, by receipts alone: the documents of the newest `applied`
 * receipt and the foreground of the newest `switched` one, decided by the same
 * code as in the kernel.
 */
#ifndef MGMT_SERVER_FLEET_EFFECTIVE_ACCESS_H
#define MGMT_SERVER_FLEET_EFFECTIVE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/access.h"
#include "lib/json.h"

struct db;
struct err;

#define EFFECTIVE_ACCESS_DOCS_MAX 256

/* Parsed documents, each once, for as long as a request runs. */
struct effective_access_cache;
struct effective_access_cache *effective_access_cache_new(struct db *db);
void effective_access_cache_free(struct effective_access_cache *f);

/* What one device runs. */
struct effective_access {
	char device[24], epoch[33];
	bool known;  /* an applied receipt is here */
	int64_t seq; /* of it */
	char time[24];
	char foreground[DOC_ID_SIZE]; /* "": the host, or nobody */
	char enforcement[16];
	enum doc_level level;
	unsigned int n_policies, n_configs;
	const struct doc_device_policy *policy[EFFECTIVE_ACCESS_DOCS_MAX];
	const struct doc_vp_config *config[EFFECTIVE_ACCESS_DOCS_MAX];
	unsigned int n_images;
	struct {
		char id[DOC_ID_SIZE];
		int64_t version;
	} image[DOC_VPS_MAX]; /* in force */
	uint32_t lacking;     /* a bit for each class without hardware */
	struct access_time at;
};

/* What the device runs at a wall time (0: now). -ENOENT: no such device. */
int effective_access_load(struct effective_access_cache *f, const char *device,
			  int64_t at, struct effective_access *ret,
			  struct err *e);
/* Replaces the documents by others: for a plan. */
void effective_access_clear_documents(struct effective_access *w);
int effective_access_add_stored(struct effective_access_cache *f,
				struct effective_access *w, const char *sha256,
				struct err *e);
void effective_access_add_document(struct effective_access *w,
				   const struct doc *d);

/* One cell: what `vp` has on the class, and the verdict's word. */
struct effective_access_cell {
	struct cells_right right, foreground;
	const char *mode, *verdict;
};
void effective_access_get_cell(const struct effective_access *w, const char *vp,
			       enum cells_class cls,
			       struct effective_access_cell *ret);

static inline void
effective_access_cache_freep(struct effective_access_cache **f)
{
	effective_access_cache_free(*f);
}

#endif

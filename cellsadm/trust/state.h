/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of this machine (state/ in the configuration, mode 0600), which
 * detects a server that shows different histories to different people:
 * documents that were signed here, enrollment tokens, receipt keys of devices,
 * roots, tree heads.
 */
#ifndef CELLSADM_TRUST_STATE_H
#define CELLSADM_TRUST_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"

struct adm;
struct doc_head;
struct err;

/* A JSON file state/<name>. -ENOENT: it is not there. */
int state_load(const struct adm *a, const char *name, json_t **ret,
	       struct err *e);
int state_save(const struct adm *a, const char *name, const json_t *j,
	       struct err *e);

/* Calls fn for each file of state/<folder>; a non-zero answer ends it. */
typedef int state_fn(void *ctx, const char *name, json_t *j, struct err *e);
int state_for_each(const struct adm *a, const char *folder, state_fn *fn,
		   void *ctx, struct err *e);

/* The exact bytes of a document that was signed here. */
int state_save_signed(const struct adm *a, const struct doc_head *h,
		      const void *payload, size_t len, struct err *e);
/* Of one version; 0: the one signed last. -ENOENT: none. */
int state_load_signed(const struct adm *a, const struct doc_head *h,
		      uint32_t version, char **ret, size_t *ret_len,
		      struct err *e);
/* Versions of the document that were signed here, ascending; their number. */
unsigned int state_list_signed_versions(const struct adm *a,
					const struct doc_head *h, uint32_t *ret,
					unsigned int max);

#endif

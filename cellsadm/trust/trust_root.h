/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root that this machine trusts. The digest of the first root is pinned in
 * the server's configuration, and each later root must follow from the one
 * before. Data of the server is trusted only if keys of this root signed it.
 */
#ifndef CELLSADM_TRUST_TRUST_ROOT_H
#define CELLSADM_TRUST_TRUST_ROOT_H

#include "lib/document/doc.h"
#include "lib/json.h"

struct adm;
struct envelope;
struct err;
struct threshold_result;

/*
 * The root in force: of --root FILE, else what is kept for the server, and with
 * `ask` newer ones from the server, verified and kept. Lives as long as a.
 * -ENOENT: there is neither.
 */
int trust_root_get(struct adm *a, bool ask, const struct doc_root **ret,
		   struct err *e);

/*
 * The same for verbs that do not need a root: NULL if there is none. Makes no
 * request.
 */
const struct doc_root *trust_root_get_or_null(struct adm *a);

/* Keeps a first root given as a file for a server that is being added. */
int trust_root_save_first(struct adm *a, const char *server,
			  const struct envelope *env, struct err *e);

/*
 * Removes the stored roots of a server, because another first root is pinned.
 */
int trust_root_remove(struct adm *a, const char *server, struct err *e);

/*
 * trust_open(), and for a root what is asked of roots: to be the one in force,
 * or to follow from it.
 */
int trust_root_open_document(const struct doc_root *root,
			     const struct envelope *env, struct doc **ret,
			     struct threshold_result *ret_signers,
			     struct err *e);

/*
 * Fetches a document's envelope by digest ("sha256:..") and verifies it by the
 * root: signatures, digest. ret_doc may be NULL.
 */
int trust_root_fetch_document(struct adm *a, const char *sha256,
			      struct envelope **ret, struct doc **ret_doc,
			      struct threshold_result *ret_signers,
			      struct err *e);

/* --org, else the org of the root. -ENOENT: neither. */
int trust_root_get_org(struct adm *a, const char *option, const char **ret,
		       struct err *e);

#endif

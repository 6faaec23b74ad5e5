/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creates the next version of a document from its text: version + 1, issued
 * now, with the same lifetime. Everything else stays as the administrator wrote
 * it. A protected vp-config gets a new salt and verifier (a proof reveals those
 * of its version), and its secrets are encrypted again.
 */
#ifndef CELLSADM_DOCUMENTS_REVISION_H
#define CELLSADM_DOCUMENTS_REVISION_H

#include "lib/document/doc.h"

struct err;

/*
 * `password` opens a protected config and protects the new one; NULL is -EACCES
 * for such. The caller frees *ret, which has passed doc_parse().
 */
int revision_build_xml(const struct doc *old, const char *xml,
		       const char *password, char **ret, struct err *e);

/*
 * Replaces the value of an attribute in the first start tag of the element.
 * *text is reallocated. -ENOENT: there is no such attribute.
 */
int revision_set_attribute(char **text, const char *element,
			   const char *attribute, const char *value,
			   struct err *e);

#endif

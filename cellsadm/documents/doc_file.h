/* SPDX-License-Identifier: Apache-2.0 */
/* A document's file on the administrator's machine: its XML, or an envelope. */
#ifndef CELLSADM_DOCUMENTS_DOC_FILE_H
#define CELLSADM_DOCUMENTS_DOC_FILE_H

#include "lib/document/doc.h"

struct envelope;
struct err;

/*
 * Reads XML (*ret then has no signature) or an envelope, and checks the
 * document in it; the caller frees both. An error names the file's
 * name.
 */
int doc_file_read(const char *path, struct envelope **ret, struct doc **ret_doc,
		  struct err *e);

/* The type that the root element names; DOC_NONE. `xml` ends with a NUL. */
enum doc_type doc_file_detect_type(const char *xml, size_t len);

#endif

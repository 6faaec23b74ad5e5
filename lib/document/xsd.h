/* SPDX-License-Identifier: Apache-2.0 */
/* The files of schema/xsd, compiled in, so that the programs need no files. */
#ifndef LIB_DOCUMENT_XSD_H
#define LIB_DOCUMENT_XSD_H

#include <stddef.h>

/* The bytes of a file, by its name without a folder. NULL: there is none. */
const char *xsd_find(const char *name, size_t *ret_len);

#endif

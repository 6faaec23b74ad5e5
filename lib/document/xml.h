/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Safe XML (1.0, UTF-8, libxml2), validated with a schema of schema/xsd. There
 * is no DTD, so only the five predefined entities exist; no network, no
 * XInclude, and no attribute with another namespace. Comments and processing
 * instructions are ignored. An error is one line that names the line of the
 * document. Nothing is written to stderr and no file is opened.
 */
#ifndef LIB_DOCUMENT_XML_H
#define LIB_DOCUMENT_XML_H

#include <stddef.h>

#define XML_SIZE_MAX (512 * 1024)
#define XML_DEPTH_MAX 32
#define XML_ELEMENTS_MAX 16384
#define XML_ATTRIBUTES_MAX 32	    /* of one element, declarations included */
#define XML_ATTRIBUTE_SIZE_MAX 4096 /* bytes of one value */

struct err;
struct xml;
struct xml_node; /* an element; borrowed from its xml */

/*
 * Parses a document and validates it with schema/xsd/<type>.xsd, which is
 * compiled once for each process. The caller frees *ret. err.too-large,
 * err.schema.
 */
int xml_parse(const char *type, const void *data, size_t len, struct xml **ret,
	      struct err *e);
void xml_free(struct xml *x);

const struct xml_node *xml_root(const struct xml *x);
const struct xml_node *xml_root_of(const struct xml_node *n);
/* Elements only; NULL: no more. */
const struct xml_node *xml_first(const struct xml_node *n);
const struct xml_node *xml_next(const struct xml_node *n);

const char *xml_name(const struct xml_node *n);
/* From 1. */
unsigned int xml_line(const struct xml_node *n);
/* Borrowed; NULL: the element has no such attribute. */
const char *xml_attribute(const struct xml_node *n, const char *name);
/* The text of an element without children. Borrowed; "" if it is empty. */
const char *xml_text(const struct xml_node *n);

static inline void xml_freep(struct xml **x)
{
	xml_free(*x);
}

#endif

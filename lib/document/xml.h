/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XML (1.0, UTF-8, libxml2) made safe, and valid by a schema of schema/xsd: no
 * DTD, so no entities but the five of XML itself; no network, no XInclude, no
 * attribute of another namespace; comments and processing instructions are
 * dropped. Errors are one line and name the line of the document. Nothing is
 * ever written to stderr, nothing is opened.
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
 * Parses and validates a document by schema/xsd/<type>.xsd, which is compiled
 * once per process. The caller frees *ret. err.too-large, err.schema.
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
/* The text of an element without children. Borrowed; "" if nothing does. */
const char *xml_text(const struct xml_node *n);

static inline void xml_freep(struct xml **x)
{
	xml_free(*x);
}

#endif

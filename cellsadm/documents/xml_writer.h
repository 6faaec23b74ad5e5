/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing documents: indented XML by libxml2's writer, UTF-8, one element a
 * line. Errors stick until xml_writer_finish() returns them.
 */
#ifndef CELLSADM_DOCUMENTS_XML_WRITER_H
#define CELLSADM_DOCUMENTS_XML_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct xml_writer;

int xml_writer_new(struct xml_writer **ret, struct err *e);
void xml_writer_free(struct xml_writer *x);

/* The document element: namespace and the attributes that all documents have.
 */
struct xml_writer_head {
	const char *type, *org, *id;
	uint32_t version;
	int64_t issued, expires;
};
void xml_writer_begin_document(struct xml_writer *x,
			       const struct xml_writer_head *h);

void xml_writer_begin_element(struct xml_writer *x, const char *element);
void xml_writer_add_attribute(struct xml_writer *x, const char *name,
			      const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void xml_writer_add_text(struct xml_writer *x, const char *text);
void xml_writer_add_base64(struct xml_writer *x, const char *attr,
			   const void *data,
			   size_t len); /* attr NULL: as text */
void xml_writer_end_element(struct xml_writer *x);

/* Ends what is open. The caller frees *ret. */
int xml_writer_finish(struct xml_writer *x, char **ret, size_t *ret_len,
		      struct err *e);

static inline void xml_writer_freep(struct xml_writer **x)
{
	xml_writer_free(*x);
}

#endif

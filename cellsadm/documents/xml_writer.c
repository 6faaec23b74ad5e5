/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/documents/xml_writer.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <libxml/xmlwriter.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

struct xml_writer {
	xmlBufferPtr buffer;
	xmlTextWriterPtr writer;
	bool failed;
};

int xml_writer_new(struct xml_writer **ret, struct err *e)
{
	AUTO(xml_writer_freep) struct xml_writer *x = calloc(1, sizeof(*x));

	if (!x)
		return err_oom(e, "write XML");
	x->buffer = xmlBufferCreate();
	x->writer = x->buffer ? xmlNewTextWriterMemory(x->buffer, 0) : NULL;
	if (!x->writer)
		return err_oom(e, "write XML");
	xmlTextWriterSetIndent(x->writer, 1);
	xmlTextWriterSetIndentString(x->writer, BAD_CAST "  ");
	xmlTextWriterStartDocument(x->writer, NULL, "UTF-8", NULL);
	*ret = steal(x);
	return 0;
}

void xml_writer_free(struct xml_writer *x)
{
	if (!x)
		return;
	if (x->writer)
		xmlFreeTextWriter(x->writer);
	if (x->buffer)
		xmlBufferFree(x->buffer);
	free(x);
}

static void record_write_error(struct xml_writer *x, int r)
{
	if (r < 0)
		x->failed = true;
}

void xml_writer_begin_element(struct xml_writer *x, const char *element)
{
	record_write_error(
		x, xmlTextWriterStartElement(x->writer, BAD_CAST element));
}

void xml_writer_add_attribute(struct xml_writer *x, const char *name,
			      const char *fmt, ...)
{
	auto_free char *value = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	record_write_error(x, n);
	if (n >= 0)
		record_write_error(
			x, xmlTextWriterWriteAttribute(x->writer, BAD_CAST name,
						       BAD_CAST value));
}

void xml_writer_add_text(struct xml_writer *x, const char *text)
{
	record_write_error(x,
			   xmlTextWriterWriteString(x->writer, BAD_CAST text));
}

void xml_writer_add_base64(struct xml_writer *x, const char *attr,
			   const void *data, size_t len)
{
	auto_free char *b64 = encoding_to_base64(data, len);

	if (!b64)
		x->failed = true;
	else if (attr)
		xml_writer_add_attribute(x, attr, "%s", b64);
	else
		xml_writer_add_text(x, b64);
}

void xml_writer_end_element(struct xml_writer *x)
{
	record_write_error(x, xmlTextWriterEndElement(x->writer));
}

void xml_writer_begin_document(struct xml_writer *x,
			       const struct xml_writer_head *h)
{
	char issued[ENCODING_TIME_SIZE], expires[ENCODING_TIME_SIZE];

	encoding_format_time(h->issued, issued);
	encoding_format_time(h->expires, expires);
	xml_writer_begin_element(x, h->type);
	xml_writer_add_attribute(x, "xmlns", "urn:cells:%s:1", h->type);
	xml_writer_add_attribute(x, "org", "%s", h->org);
	xml_writer_add_attribute(x, "id", "%s", h->id);
	xml_writer_add_attribute(x, "version", "%u", h->version);
	xml_writer_add_attribute(x, "issued", "%s", issued);
	xml_writer_add_attribute(x, "expires", "%s", expires);
}

int xml_writer_finish(struct xml_writer *x, char **ret, size_t *ret_len,
		      struct err *e)
{
	char *text;

	record_write_error(x, xmlTextWriterEndDocument(x->writer));
	record_write_error(x, xmlTextWriterFlush(x->writer));
	if (x->failed)
		return err_set(e, ENOMEM,
			       "write XML: out of memory or a "
			       "character that XML cannot hold");
	text = strdup((const char *)xmlBufferContent(x->buffer));
	if (!text)
		return err_oom(e, "write XML");
	*ret_len = strlen(text);
	*ret = text;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/xml_writer.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <libxml/xmlwriter.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

struct xmlout {
	xmlBufferPtr buffer;
	xmlTextWriterPtr writer;
	bool failed;
};

int xmlout_new(struct xmlout **ret, struct err *e)
{
	AUTO(xmlout_freep) struct xmlout *x = calloc(1, sizeof(*x));

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

void xmlout_free(struct xmlout *x)
{
	if (!x)
		return;
	if (x->writer)
		xmlFreeTextWriter(x->writer);
	if (x->buffer)
		xmlBufferFree(x->buffer);
	free(x);
}

static void note(struct xmlout *x, int r)
{
	if (r < 0)
		x->failed = true;
}

void xmlout_begin(struct xmlout *x, const char *element)
{
	note(x, xmlTextWriterStartElement(x->writer, BAD_CAST element));
}

void xmlout_attr(struct xmlout *x, const char *name, const char *fmt, ...)
{
	auto_free char *value = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	note(x, n);
	if (n >= 0)
		note(x, xmlTextWriterWriteAttribute(x->writer, BAD_CAST name,
						    BAD_CAST value));
}

void xmlout_text(struct xmlout *x, const char *text)
{
	note(x, xmlTextWriterWriteString(x->writer, BAD_CAST text));
}

void xmlout_base64(struct xmlout *x, const char *attr, const void *data,
		   size_t len)
{
	auto_free char *b64 = text_base64(data, len);

	if (!b64)
		x->failed = true;
	else if (attr)
		xmlout_attr(x, attr, "%s", b64);
	else
		xmlout_text(x, b64);
}

void xmlout_end(struct xmlout *x)
{
	note(x, xmlTextWriterEndElement(x->writer));
}

void xmlout_head(struct xmlout *x, const struct xmlout_head *h)
{
	char issued[TEXT_TIME_SIZE], expires[TEXT_TIME_SIZE];

	text_time(h->issued, issued);
	text_time(h->expires, expires);
	xmlout_begin(x, h->type);
	xmlout_attr(x, "xmlns", "urn:cells:%s:1", h->type);
	xmlout_attr(x, "org", "%s", h->org);
	xmlout_attr(x, "id", "%s", h->id);
	xmlout_attr(x, "version", "%u", h->version);
	xmlout_attr(x, "issued", "%s", issued);
	xmlout_attr(x, "expires", "%s", expires);
}

int xmlout_finish(struct xmlout *x, char **ret, size_t *ret_len, struct err *e)
{
	char *text;

	note(x, xmlTextWriterEndDocument(x->writer));
	note(x, xmlTextWriterFlush(x->writer));
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/doc_read.h"

#include "lib/auto.h"
#include "lib/document/xml.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <stdarg.h>
#include <string.h>

int doc_read_error(const struct xml_node *n, struct err *e, const char *fmt,
		   ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_reason(e, REASON_SCHEMA, "parse %s: line %u: <%s>: %s",
			  xml_name(xml_root_of(n)), xml_line(n), xml_name(n),
			  text);
}

bool doc_read_is_element(const struct xml_node *n, const char *name)
{
	return n && strcmp(xml_name(n), name) == 0;
}

int doc_read_base64(const struct xml_node *n, const char *text, void **ret,
		    size_t *ret_len, struct err *e)
{
	auto_free char *tight = malloc(strlen(text) + 1);
	size_t len = 0;
	int r;

	if (!tight)
		return err_oom(e, "read base64");
	for (; *text; text++)
		if (!strchr(" \t\r\n", *text))
			tight[len++] = *text;
	tight[len] = '\0';
	r = encoding_from_base64(tight, len, ret, ret_len);
	if (r == -ENOMEM)
		return err_oom(e, "read base64");
	return r < 0 ? doc_read_error(n, e, "not base64") : 0;
}

static int parse_word_value(const struct doc_read_attribute *a,
			    const char *value, void *to)
{
	for (unsigned int i = 0; a->words[i]; i++) {
		if (strcmp(a->words[i], value) != 0)
			continue;
		memcpy(to, &i, sizeof(i));
		return 0;
	}
	return -EINVAL;
}

static int parse_number_value(const struct doc_read_attribute *a,
			      const char *value, void *to)
{
	uint32_t narrow;
	uint64_t wide;

	if (encoding_parse_number(value, a->max, &wide) < 0 || wide < a->min)
		return -EINVAL;
	narrow = (uint32_t)wide;
	if (a->size == sizeof(wide))
		memcpy(to, &wide, sizeof(wide));
	else
		memcpy(to, &narrow, sizeof(narrow));
	return 0;
}

static int parse_base64_value(const struct doc_read_attribute *a,
			      const struct xml_node *n, const char *value,
			      void *to, struct err *e)
{
	auto_free void *bytes = NULL;
	size_t len = 0;
	int r;

	r = doc_read_base64(n, value, &bytes, &len, e);
	if (r < 0)
		return r;
	if (!bytes || len != a->size)
		return doc_read_error(n, e, "'%s' has %zu bytes, not %zu",
				      a->name, len, a->size);
	memcpy(to, bytes, len);
	return 0;
}

static int parse_text_value(const struct doc_read_attribute *a,
			    const char *value, void *to)
{
	size_t len = strlen(value);

	if (len >= a->size ||
	    (a->kind == DOC_READ_ID && !encoding_is_valid_id(value)))
		return -EINVAL;
	memcpy(to, value, len + 1);
	return 0;
}

static int parse_attribute_value(const struct doc_read_attribute *a,
				 const char *value, void *to)
{
	switch (a->kind) {
	case DOC_READ_TEXT:
	case DOC_READ_ID:
		return parse_text_value(a, value, to);
	case DOC_READ_NUMBER:
		return parse_number_value(a, value, to);
	case DOC_READ_TIME:
		return encoding_parse_time(value, to);
	case DOC_READ_FLAG:
		*(bool *)to = strcmp(value, "true") == 0;
		return 0;
	case DOC_READ_WORD:
		return parse_word_value(a, value, to);
	case DOC_READ_HEX:
		return encoding_from_hex(value, to, a->size);
	case DOC_READ_BASE64:
		break;
	}
	return -EINVAL;
}

int doc_read_attributes(const struct xml_node *n,
			const struct doc_read_attribute *table, void *ret,
			struct err *e)
{
	for (const struct doc_read_attribute *a = table; a->name; a++) {
		const char *value = xml_attribute(n, a->name);
		void *to = (char *)ret + a->offset;
		int r;

		if (!value && a->optional)
			continue;
		if (!value)
			return doc_read_error(n, e, "no attribute '%s'",
					      a->name);
		if (a->kind == DOC_READ_BASE64) {
			r = parse_base64_value(a, n, value, to, e);
			if (r < 0)
				return r;
			continue;
		}
		if (parse_attribute_value(a, value, to) < 0)
			return doc_read_error(n, e, "%s='%.80s' is not valid",
					      a->name, value);
	}
	return 0;
}

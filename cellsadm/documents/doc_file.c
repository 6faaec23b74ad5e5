/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/documents/doc_file.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "lib/io.h"

#include <string.h>

#define BLANK " \t\r\n"

/* Behind white space, comments and processing instructions. */
static const char *skip_xml_prolog(const char *xml)
{
	if (strncmp(xml, "\xef\xbb\xbf", 3) == 0)
		xml += 3;
	for (;;) {
		const char *end;

		xml += strspn(xml, BLANK);
		if (strncmp(xml, "<?", 2) == 0)
			end = strstr(xml, "?>");
		else if (strncmp(xml, "<!--", 4) == 0)
			end = strstr(xml + 4, "-->");
		else
			return xml;
		if (!end)
			return "";
		xml = end + (xml[1] == '?' ? 2 : 3);
	}
}

enum doc_type doc_file_detect_type(const char *xml, size_t len)
{
	auto_free char *name = NULL;
	const char *start;

	if (strlen(xml) != len)
		return DOC_NONE;
	start = skip_xml_prolog(xml);
	if (*start != '<')
		return DOC_NONE;
	name = strndup(start + 1, strcspn(start + 1, BLANK "/>"));
	return name ? doc_type_from_name(name) : DOC_NONE;
}

/* The line of a fault is of use only with its file. */
static int add_file_to_error(const char *path, int r, struct err *e)
{
	struct err why = *e;

	if (r >= 0)
		return r;
	err_set(e, -r, "%s: %s", path, why.text);
	e->reason = why.reason;
	return r;
}

static int read_as_envelope(const char *path, const char *text, size_t len,
			    struct envelope **ret, struct err *e)
{
	enum doc_type type;

	if (text[strspn(text, BLANK)] == '{')
		return add_file_to_error(path,
					 envelope_parse(text, len, ret, e), e);
	type = doc_file_detect_type(text, len);
	if (type == DOC_NONE)
		return err_reason(e, REASON_SCHEMA,
				  "%s: neither an envelope nor a document of "
				  "Cells",
				  path);
	return envelope_new(doc_payload_type(type), text, len, ret, e);
}

int doc_file_read(const char *path, struct envelope **ret, struct doc **ret_doc,
		  struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *text = NULL;
	enum doc_type type;
	size_t len;
	int r = io_read_file(path, ENVELOPE_MAX, &text, &len, e);

	if (r >= 0)
		r = read_as_envelope(path, text, len, &env, e);
	if (r < 0)
		return r;
	type = doc_type_from_payload_type(env->type);
	if (type == DOC_NONE)
		return err_reason(
			e, REASON_ENVELOPE,
			"%s: payloadType %s is not that of a document", path,
			env->type);
	r = doc_parse(type, env->payload, env->payload_len, ret_doc, e);
	if (r < 0)
		return add_file_to_error(path, r, e);
	*ret = steal(env);
	return 0;
}

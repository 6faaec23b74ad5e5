/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/xml.h"

#include "lib/auto.h"
#include "lib/document/xsd.h"
#include "lib/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemas.h>

/* No LOAD, SUBST, HUGE or XINCLUDE; a DTD is refused where it starts. */
#define OPTIONS                                                                \
	(XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES |           \
	 XML_PARSE_COMPACT)

/* Measured: a schema takes 0.2 MiB, the worst tree 52 bytes for each of text.
 */
#define RESERVE (2 * 1024 * 1024)
#define RESERVE_PER_BYTE 64

/* What the first complaint said; later ones follow from it. */
struct complaint {
	bool set;
	char text[320];
	int line;
};

/* One parse under way; a parser context carries it in _private. */
struct parse_state {
	struct complaint first;
	unsigned int depth, elements;
};

static void record_complaint(struct complaint *c, int line, const char *text)
{
	size_t n;

	if (c->set)
		return;
	c->set = true;
	c->line = line;
	snprintf(c->text, sizeof(c->text), "%s", text);
	n = strlen(c->text);
	while (n > 0 && strchr("\n .", c->text[n - 1]))
		c->text[--n] = '\0';
	/* It may hold a value of the document: no terminal codes. */
	for (char *p = c->text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

/* Names are those of the document, without "{urn:cells:...}". */
static void strip_namespaces(char *s)
{
	char *out = s;

	while (*s) {
		char *end = strncmp(s, "{urn:cells:", 11) == 0 ? strchr(s, '}')
							       : NULL;

		if (end)
			s = end + 1;
		else
			*out++ = *s++;
	}
	*out = '\0';
}

static void record_xml_error(struct complaint *c, const xmlError *xe)
{
	char text[512];

	snprintf(text, sizeof(text), "%s",
		 xe->message ? xe->message : "not XML");
	strip_namespaces(text);
	record_complaint(c, xe->line, text);
}

static void ignore_generic_error(void *ctx, const char *fmt, ...)
{
}

static void ignore_structured_error(void *ctx, xmlErrorPtr xe)
{
}

/*
 * What libxml2 may open: the schema that the others include, from memory, and
 * nothing else, whatever a document or an option says.
 */
static xmlParserInputPtr load_schema_entity(const char *url, const char *id,
					    xmlParserCtxtPtr ctxt)
{
	const char *name = url ? strrchr(url, '/') : NULL, *data;
	xmlParserInputBufferPtr buf;
	size_t len;

	name = name ? name + 1 : url;
	data = name ? xsd_find(name, &len) : NULL;
	if (!data)
		return NULL;
	buf = xmlParserInputBufferCreateMem(data, (int)len,
					    XML_CHAR_ENCODING_UTF8);
	return buf ? xmlNewIOInputStream(ctxt, buf, XML_CHAR_ENCODING_UTF8)
		   : NULL;
}

static void initialize_libxml(void)
{
	static bool done;

	if (done)
		return;
	xmlInitParser();
	xmlSetExternalEntityLoader(load_schema_entity);
	xmlSetGenericErrorFunc(NULL, ignore_generic_error);
	xmlSetStructuredErrorFunc(NULL, ignore_structured_error);
	done = true;
}

/* ---- schemas */

static void on_schema_error(void *data, xmlErrorPtr xe)
{
	record_xml_error(data, xe);
}

static void free_schema_parser(xmlSchemaParserCtxtPtr *p)
{
	if (*p)
		xmlSchemaFreeParserCtxt(*p);
}

static int compile_schema(const char *type, xmlSchemaPtr *ret, struct err *e)
{
	AUTO(free_schema_parser) xmlSchemaParserCtxtPtr p = NULL;
	struct complaint first = { 0 };
	char name[64];
	const char *data;
	size_t len;

	snprintf(name, sizeof(name), "%s.xsd", type);
	data = xsd_find(name, &len);
	if (!data)
		return err_set(e, EINVAL, "parse %s: no such schema", type);
	p = xmlSchemaNewMemParserCtxt(data, (int)len);
	if (!p)
		return err_oom(e, "compile a schema");
	xmlSchemaSetParserStructuredErrors(p, on_schema_error, &first);
	*ret = xmlSchemaParse(p);
	if (!*ret)
		return err_set(e, EINVAL, "compile %s: line %d: %s", name,
			       first.line, first.text);
	return 0;
}

/* Compiled when it is first asked for, and kept: it costs some milliseconds. */
static int get_cached_schema(const char *type, xmlSchemaPtr *ret, struct err *e)
{
	static struct {
		char type[32];
		xmlSchemaPtr schema;
	} cache[16];
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(cache) && cache[i].schema &&
	       strcmp(cache[i].type, type) != 0)
		i++;
	if (i == ARRAY_SIZE(cache))
		return err_set(e, EINVAL, "parse %s: too many schemas", type);
	if (!cache[i].schema) {
		r = compile_schema(type, &cache[i].schema, e);
		if (r < 0)
			return r;
		snprintf(cache[i].type, sizeof(cache[i].type), "%s", type);
	}
	*ret = cache[i].schema;
	return 0;
}

/* ---- parsing */

static void stop_xml_parser(xmlParserCtxtPtr ctxt, const char *why)
{
	struct parse_state *run = ctxt->_private;

	record_complaint(&run->first, ctxt->input ? ctxt->input->line : 0, why);
	xmlStopParser(ctxt);
}

static void on_parse_error(void *data, xmlErrorPtr xe)
{
	xmlParserCtxtPtr ctxt = data;
	struct parse_state *run = ctxt->_private;

	record_xml_error(&run->first, xe);
}

static bool is_utf8_encoding(const xmlChar *encoding)
{
	return !encoding || xmlStrcasecmp(encoding, BAD_CAST "UTF-8") == 0;
}

/* Comes behind the XML declaration, before anything else is read. */
static void on_document_start(void *data)
{
	xmlParserCtxtPtr ctxt = data;

	if (!is_utf8_encoding(ctxt->encoding) ||
	    !is_utf8_encoding(ctxt->input->encoding))
		stop_xml_parser(ctxt, "the encoding is not UTF-8");
	else
		xmlSAX2StartDocument(data);
}

static void on_doctype_declaration(void *data, const xmlChar *name,
				   const xmlChar *id, const xmlChar *system)
{
	stop_xml_parser(data, "a document type declaration is not allowed");
}

/* attributes[5 * i ...]: local name, prefix, URI, start and end of the value.
 */
static const char *find_attribute_fault(int n, const xmlChar **attributes)
{
	for (int i = 0; i < n; i++) {
		const xmlChar **a = attributes + 5 * i;

		if (a[2])
			return "an attribute with a namespace is not allowed";
		if (a[4] - a[3] > XML_ATTRIBUTE_SIZE_MAX)
			return "an attribute's value is too long";
	}
	return NULL;
}

static void on_element_start(void *data, const xmlChar *name,
			     const xmlChar *prefix, const xmlChar *uri,
			     int n_namespaces, const xmlChar **namespaces,
			     int n_attributes, int n_defaulted,
			     const xmlChar **attributes)
{
	xmlParserCtxtPtr ctxt = data;
	struct parse_state *run = ctxt->_private;
	const char *fault = find_attribute_fault(n_attributes, attributes);

	if (++run->depth > XML_DEPTH_MAX)
		fault = "elements are nested too deep";
	if (++run->elements > XML_ELEMENTS_MAX)
		fault = "there are too many elements";
	if (fault) {
		stop_xml_parser(ctxt, fault);
		return;
	}
	xmlSAX2StartElementNs(data, name, prefix, uri, n_namespaces, namespaces,
			      n_attributes, n_defaulted, attributes);
}

static void on_element_end(void *data, const xmlChar *name,
			   const xmlChar *prefix, const xmlChar *uri)
{
	xmlParserCtxtPtr ctxt = data;
	struct parse_state *run = ctxt->_private;

	run->depth--;
	xmlSAX2EndElementNs(data, name, prefix, uri);
}

/*
 * libxml2 compares each attribute of an element with each before it, and calls
 * nobody until it has read them all; so they are counted here first. From one
 * "<" to the next there is at most one element's tag.
 */
static bool has_crowded_tag(const char *s, size_t len)
{
	unsigned int n = 0;
	char before = ' ';

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '<')
			n = 0;
		else if ((s[i] == '"' || s[i] == '\'') && before == '=' &&
			 ++n > XML_ATTRIBUTES_MAX)
			return true;
		if (!strchr(" \t\r\n", s[i]) || s[i] == '\0')
			before = s[i];
	}
	return false;
}

/*
 * libxml2 2.9 frees twice when memory runs out in the middle of its work. So
 * what a document of this size may take, schema and tree, is asked for before;
 * there is one thread, so nobody else takes it in between.
 */
static int reserve_parse_memory(size_t len, struct err *e)
{
	void *volatile room = malloc(RESERVE + len * RESERVE_PER_BYTE);

	if (!room)
		return err_oom(e, "parse XML");
	free(room);
	return 0;
}

static void free_xml_parser(xmlParserCtxtPtr *p)
{
	if (*p)
		xmlFreeParserCtxt(*p);
}

static xmlParserCtxtPtr create_xml_parser(struct parse_state *run)
{
	xmlParserCtxtPtr p = xmlNewParserCtxt();

	if (!p)
		return NULL;
	p->_private = run;
	p->sax->serror = on_parse_error;
	p->sax->startDocument = on_document_start;
	p->sax->internalSubset = on_doctype_declaration;
	p->sax->startElementNs = on_element_start;
	p->sax->endElementNs = on_element_end;
	/* Without nodes of their own they cannot split an element's text. */
	p->sax->comment = NULL;
	p->sax->processingInstruction = NULL;
	return p;
}

static void free_xml_document(xmlDocPtr *d)
{
	if (*d)
		xmlFreeDoc(*d);
}

static int parse_xml_document(const char *type, const void *data, size_t len,
			      xmlDocPtr *ret, struct err *e)
{
	struct parse_state run = { 0 };
	AUTO(free_xml_parser) xmlParserCtxtPtr p = create_xml_parser(&run);
	AUTO(free_xml_document) xmlDocPtr d = NULL;

	if (!p)
		return err_oom(e, "parse XML");
	d = xmlCtxtReadMemory(p, data, (int)len, NULL, NULL, OPTIONS);
	if (p->errNo == XML_ERR_NO_MEMORY)
		return err_oom(e, "parse XML");
	if (!run.first.set && (!d || !p->wellFormed || d->intSubset))
		record_complaint(&run.first, 1, "not well-formed");
	if (run.first.set)
		return err_reason(e, REASON_SCHEMA, "parse %s: line %d: %s",
				  type, run.first.line, run.first.text);
	*ret = steal(d);
	return 0;
}

static void free_schema_validator(xmlSchemaValidCtxtPtr *v)
{
	if (*v)
		xmlSchemaFreeValidCtxt(*v);
}

static int validate_xml_document(const char *type, xmlDocPtr d, struct err *e)
{
	AUTO(free_schema_validator) xmlSchemaValidCtxtPtr v = NULL;
	struct complaint first = { 0 };
	xmlSchemaPtr schema = NULL;
	int r;

	r = get_cached_schema(type, &schema, e);
	if (r < 0)
		return r;
	v = xmlSchemaNewValidCtxt(schema);
	if (!v)
		return err_oom(e, "validate XML");
	xmlSchemaSetValidStructuredErrors(v, on_schema_error, &first);
	if (xmlSchemaValidateDoc(v, d) != 0)
		return err_reason(e, REASON_SCHEMA, "parse %s: line %d: %s",
				  type, first.line,
				  first.set ? first.text : "not valid");
	return 0;
}

int xml_parse(const char *type, const void *data, size_t len, struct xml **ret,
	      struct err *e)
{
	AUTO(free_xml_document) xmlDocPtr d = NULL;
	int r;

	if (len > XML_SIZE_MAX)
		return err_reason(e, REASON_TOO_LARGE,
				  "parse %s: %zu bytes are more than %d", type,
				  len, XML_SIZE_MAX);
	/* In XML by UTF-8 there is no such byte; in UTF-16 and UTF-32 there is.
	 */
	if (memchr(data, '\0', len))
		return err_reason(e, REASON_SCHEMA,
				  "parse %s: line 1: the encoding is not UTF-8",
				  type);
	if (has_crowded_tag(data, len))
		return err_reason(e, REASON_SCHEMA,
				  "parse %s: an element has more than %d "
				  "attributes",
				  type, XML_ATTRIBUTES_MAX);
	r = reserve_parse_memory(len, e);
	if (r < 0)
		return r;
	initialize_libxml();
	r = parse_xml_document(type, data, len, &d, e);
	if (r < 0)
		return r;
	r = validate_xml_document(type, d, e);
	if (r < 0)
		return r;
	*ret = (struct xml *)steal(d);
	return 0;
}

void xml_free(struct xml *x)
{
	if (x)
		xmlFreeDoc((xmlDocPtr)x);
}

/* ---- reading. A struct xml is libxml2's document, an xml_node its element. */

static const struct xml_node *skip_to_element(const xmlNode *n)
{
	while (n && n->type != XML_ELEMENT_NODE)
		n = n->next;
	return (const struct xml_node *)n;
}

const struct xml_node *xml_root(const struct xml *x)
{
	return skip_to_element(((const xmlDoc *)x)->children);
}

const struct xml_node *xml_first(const struct xml_node *n)
{
	return skip_to_element(((const xmlNode *)n)->children);
}

const struct xml_node *xml_next(const struct xml_node *n)
{
	return skip_to_element(((const xmlNode *)n)->next);
}

const struct xml_node *xml_root_of(const struct xml_node *n)
{
	return xml_root((const struct xml *)((const xmlNode *)n)->doc);
}

const char *xml_name(const struct xml_node *n)
{
	return (const char *)((const xmlNode *)n)->name;
}

unsigned int xml_line(const struct xml_node *n)
{
	long line = xmlGetLineNo((const xmlNode *)n);

	return line > 0 ? (unsigned int)line : 0;
}

static const char *get_node_content(const xmlNode *n)
{
	return n && n->content ? (const char *)n->content : "";
}

const char *xml_attribute(const struct xml_node *n, const char *name)
{
	const xmlAttr *a = ((const xmlNode *)n)->properties;

	while (a && strcmp((const char *)a->name, name) != 0)
		a = a->next;
	return a ? get_node_content(a->children) : NULL;
}

const char *xml_text(const struct xml_node *n)
{
	return get_node_content(((const xmlNode *)n)->children);
}

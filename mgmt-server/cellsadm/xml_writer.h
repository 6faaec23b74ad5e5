/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing documents: indented XML by libxml2's writer, UTF-8, one element a
 * line. Errors stick until xmlout_finish() tells.
 */
#ifndef CELLSADM_XML_WRITER_H
#define CELLSADM_XML_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct xmlout;

int xmlout_new(struct xmlout **ret, struct err *e);
void xmlout_free(struct xmlout *x);

/* The document element: namespace and the attributes that all documents have.
 */
struct xmlout_head {
	const char *type, *org, *id;
	uint32_t version;
	int64_t issued, expires;
};
void xmlout_head(struct xmlout *x, const struct xmlout_head *h);

void xmlout_begin(struct xmlout *x, const char *element);
void xmlout_attr(struct xmlout *x, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void xmlout_text(struct xmlout *x, const char *text);
void xmlout_base64(struct xmlout *x, const char *attr, const void *data,
		   size_t len); /* attr NULL: as text */
void xmlout_end(struct xmlout *x);

/* Ends what is open. The caller frees *ret. */
int xmlout_finish(struct xmlout *x, char **ret, size_t *ret_len, struct err *e);

static inline void xmlout_freep(struct xmlout **x)
{
	xmlout_free(*x);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of doc*.c: attributes into structs, by tables. What the schema has
 * tested is tested again where it would otherwise be trusted with memory.
 */
#ifndef LIB_DOC_READ_H
#define LIB_DOC_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct doc;
struct err;
struct xml_node;

enum docread_kind {
	DOCREAD_TEXT,	/* char[size] */
	DOCREAD_ID,	/* char[DOC_ID_SIZE], an id of the contract */
	DOCREAD_NUMBER, /* unsigned of `size` bytes, 4 or 8, from min to max */
	DOCREAD_TIME,	/* int64_t */
	DOCREAD_FLAG,	/* bool */
	DOCREAD_WORD,	/* enum: the index in `words` */
	DOCREAD_HEX,	/* uint8_t[size] */
	DOCREAD_BASE64, /* uint8_t[size], exactly */
};

struct docread {
	const char *name; /* NULL ends the table */
	enum docread_kind kind;
	bool optional; /* absent: what the struct holds stays */
	size_t offset, size;
	uint64_t min, max;
	const char *const *words; /* NULL behind the last */
};

/* name, kind, struct, member; then what the kind needs */
#define DOCREAD(name_, kind_, type, member, ...)                               \
	{                                                                      \
		.name = (name_), .kind = DOCREAD_##kind_,                      \
		.offset = offsetof(type, member),                              \
		.size = sizeof(((type *)0)->member), __VA_ARGS__               \
	}

/* Reads the element's attributes by the table into *ret. err.schema. */
int docread_attributes(const struct xml_node *n, const struct docread *table,
		       void *ret, struct err *e);

/* -EINVAL, err.schema, with the element's line in front. */
int docread_fault(const struct xml_node *n, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

bool docread_is(const struct xml_node *n, const char *name);

/* Base64 with white space, as the schema's type allows; the caller frees. */
int docread_base64(const struct xml_node *n, const char *text, void **ret,
		   size_t *ret_len, struct err *e);

/* A document of each type: its struct, and what reads and ends it. */
int docroot_read(const struct xml_node *n, struct doc *ret, struct err *e);
void docroot_fini(struct doc *d);
int docgroup_read(const struct xml_node *n, struct doc *ret, struct err *e);
int docgroup_read_membership(const struct xml_node *n, struct doc *ret,
			     struct err *e);
int docconfig_read(const struct xml_node *n, struct doc *ret, struct err *e);
void docconfig_fini(struct doc *d);
int docpolicy_read(const struct xml_node *n, struct doc *ret, struct err *e);
void docpolicy_fini(struct doc *d);
int docimage_read(const struct xml_node *n, struct doc *ret, struct err *e);
int doccommand_read(const struct xml_node *n, struct doc *ret, struct err *e);
void doccommand_fini(struct doc *d);

#endif

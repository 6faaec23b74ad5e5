/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to doc*.c: reads attributes into structs, with tables. Values that
 * the schema checks are checked again where a wrong value could corrupt memory.
 */
#ifndef LIB_DOCUMENT_DOC_READ_H
#define LIB_DOCUMENT_DOC_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct doc;
struct err;
struct xml_node;

enum doc_read_kind {
	DOC_READ_TEXT,	 /* char[size] */
	DOC_READ_ID,	 /* char[DOC_ID_SIZE], an id of the contract */
	DOC_READ_NUMBER, /* unsigned of `size` bytes, 4 or 8, from min to max */
	DOC_READ_TIME,	 /* int64_t */
	DOC_READ_FLAG,	 /* bool */
	DOC_READ_WORD,	 /* enum: the index in `words` */
	DOC_READ_HEX,	 /* uint8_t[size] */
	DOC_READ_BASE64, /* uint8_t[size], exactly */
};

struct doc_read_attribute {
	const char *name; /* NULL ends the table */
	enum doc_read_kind kind;
	bool optional; /* absent: what the struct holds stays */
	size_t offset, size;
	uint64_t min, max;
	const char *const *words; /* NULL behind the last */
};

/* name, kind, struct, member; then what the kind needs */
#define DOC_READ(name_, kind_, type, member, ...)                              \
	{                                                                      \
		.name = (name_), .kind = DOC_READ_##kind_,                     \
		.offset = offsetof(type, member),                              \
		.size = sizeof(((type *)0)->member), __VA_ARGS__               \
	}

/* Reads the attributes of the element into *ret with the table. err.schema. */
int doc_read_attributes(const struct xml_node *n,
			const struct doc_read_attribute *table, void *ret,
			struct err *e);

/* Returns -EINVAL and err.schema, with the line of the element. */
int doc_read_error(const struct xml_node *n, struct err *e, const char *fmt,
		   ...) __attribute__((format(printf, 3, 4)));

bool doc_read_is_element(const struct xml_node *n, const char *name);

/* Base64 with white space, as the schema's type allows; the caller frees. */
int doc_read_base64(const struct xml_node *n, const char *text, void **ret,
		    size_t *ret_len, struct err *e);

/*
 * The type of a document: its struct, and the functions that read and free it.
 */
int doc_root_read(const struct xml_node *n, struct doc *ret, struct err *e);
void doc_root_fini(struct doc *d);
int doc_group_read(const struct xml_node *n, struct doc *ret, struct err *e);
int doc_group_read_membership(const struct xml_node *n, struct doc *ret,
			      struct err *e);
int doc_config_read(const struct xml_node *n, struct doc *ret, struct err *e);
void doc_config_fini(struct doc *d);
int doc_policy_read(const struct xml_node *n, struct doc *ret, struct err *e);
void doc_policy_fini(struct doc *d);
int doc_image_read(const struct xml_node *n, struct doc *ret, struct err *e);
int doc_command_read(const struct xml_node *n, struct doc *ret, struct err *e);
void doc_command_fini(struct doc *d);

#endif

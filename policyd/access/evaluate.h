/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the policies in force to a table: what each VP may do with each class at
 * a moment. The decision is lib/document/access.h; here are the device's
 * level of enforcement and the VPs.
 */
#ifndef POLICYD_ACCESS_EVALUATE_H
#define POLICYD_ACCESS_EVALUATE_H

#include "lib/document/access.h"
#include "policyd/document/document_set.h"

struct document_state;
struct err;
struct secure_time;
struct store;

/* What rights are decided by, and what explains them. Borrowed. */
struct evaluate_facts {
	struct store *store;
	const struct document_state *state;
	enum doc_level level; /* that cellsd can enforce */
	struct access_time at;
};

/* The time that windows see, now. */
void evaluate_get_time(const struct secure_time *time, struct access_time *ret);

struct evaluate_row {
	const char *vp; /* borrowed from the config in docs */
	enum cells_class cls;
	struct cells_right right;
	bool kill; /* end holders of handles that are no longer allowed */
};

/* What one VP has on one class. */
void evaluate_right(const struct document_set *docs, enum doc_level level,
		    const char *vp, enum cells_class cls,
		    const struct access_time *at, struct access_right *ret);

/* The rows that give something, block, or keep handles open. The caller frees
 * *ret. */
int evaluate_table(const struct document_set *docs, enum doc_level level,
		   const struct access_time *at, struct evaluate_row **ret,
		   size_t *ret_n, struct err *e);

#endif

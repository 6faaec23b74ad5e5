/* SPDX-License-Identifier: Apache-2.0 */
/* What the server lists, as most verbs that list print it. */
#ifndef CELLSADM_LIST_H
#define CELLSADM_LIST_H

struct adm;
struct table_column;
struct err;

/* remote_list() and then adm_print_rows(). */
int list_print_items(struct adm *a, const char *const *path, unsigned int max,
		     const struct table_column *columns, struct err *e);

#endif

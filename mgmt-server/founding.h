/* SPDX-License-Identifier: Apache-2.0 */
/* `cells-mgmtd init`: keys, certificates, database, the first token. */
#ifndef MGMT_FOUNDING_H
#define MGMT_FOUNDING_H

struct err;
struct opt_list;

/* Prints the first administrator's token, once. -EEXIST: it is set up. */
int founding_init(const char *dir, const char *org,
		  const struct opt_list *hosts, struct err *e);
/* A new director key, after the old one was stolen; a root must name it. */
int founding_new_director(const char *dir, struct err *e);

#endif

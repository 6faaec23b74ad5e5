/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a VP may use a class or not: the verdict, and each rule that led to it
 * (cellsctl explain). The form is in schema/dbus/org.cells.Policy1.xml.
 */
#ifndef POLICYD_ACCESS_EXPLAIN_H
#define POLICYD_ACCESS_EXPLAIN_H

struct err;
struct evaluate_facts;

/* JSON text that the caller frees. err.no-such-vp, err.unknown-class. */
int explain_access(const struct evaluate_facts *f, const char *vp,
		   const char *cls, char **ret, struct err *e);

#endif

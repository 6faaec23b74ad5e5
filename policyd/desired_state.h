/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desired state as cellsd takes it: VPs and rights, made from what is in
 * force at a moment. Compared with what was last applied, it says whether
 * anything is new, and which modes change.
 */
#ifndef POLICYD_DESIRED_STATE_H
#define POLICYD_DESIRED_STATE_H

#include "policyd/access/evaluate.h"

struct cellsd_state;
struct desired_state;
struct device_state;
struct err;
struct recorder;

/* Borrows the store and the state as long as it lives, and holds the documents
 * that it was decided over: others may go in force meanwhile. */
int desired_state_new(const struct evaluate_facts *f,
		      struct desired_state **ret, struct err *e);
void desired_state_free(struct desired_state *d);

/* Differs it from what cellsd last confirmed? */
bool desired_state_has_changed(const struct desired_state *d);
/* What Apply is given of it; valid until it is called again or d is freed. */
int desired_state_get_state(struct desired_state *d, const char *cause,
			    struct device_state *ret, struct err *e);
/* Was it made from what is in force now, by a snapshot that can be named? */
bool desired_state_is_current(const struct desired_state *d);
/* Was it made from another set than is in force now? */
bool desired_state_is_outdated(const struct desired_state *d);
/* Inside a transaction: this is applied now. Mode changes go to the audit. */
int desired_state_save_applied(const struct desired_state *d,
			       const struct recorder *rec, const char *cause,
			       struct err *e);

/* Classes that VPs have rights on, but the device lacks: names, a JSON array.
 */
struct json_t *
desired_state_list_missing_classes(const struct desired_state *d,
				   const struct cellsd_state *cellsd);

#endif

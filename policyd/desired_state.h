/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desired state as cellsd takes it: VPs and rights, made from what is in
 * force at a moment. Compared with what was last applied, it says whether
 * anything is new, and which modes change.
 */
#ifndef POLICYD_DESIRED_STATE_H
#define POLICYD_DESIRED_STATE_H

#include <systemd/sd-bus.h>

#include "policyd/document/evaluate.h"

struct desired_state;
struct err;
struct policyd;

int desired_state_new(struct policyd *p, struct desired_state **ret,
		      struct err *e);
void desired_state_free(struct desired_state *d);

/* Differs it from what cellsd last confirmed? */
bool desired_state_has_changed(const struct desired_state *d);
/* Apply's arguments. Returns <0 as sd-bus does. */
int desired_state_write_message(const struct desired_state *d,
				struct policyd *p, sd_bus_message *m,
				const char *cause);
/* Was it made from what is in force now? */
bool desired_state_is_current(const struct desired_state *d,
			      const struct policyd *p);
/* Inside a transaction: this is applied now. Mode changes go to the audit. */
int desired_state_save_applied(const struct desired_state *d, struct policyd *p,
			       const char *cause, struct err *e);

/* The time that windows see. */
void desired_state_get_access_time(const struct policyd *p,
				   struct access_time *ret);
/* Classes that VPs have rights on, but the device lacks: names, a JSON array.
 */
struct json_t *desired_state_list_missing_classes(const struct desired_state *d,
						  const struct policyd *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desired state as cellsd takes it: VPs and rights, made from what is in
 * force at a moment. Compared with what was last applied, it tells whether
 * anything is new, and which modes change.
 */
#ifndef POLICYD_DESIRED_STATE_H
#define POLICYD_DESIRED_STATE_H

#include <systemd/sd-bus.h>

#include "policyd/evaluate.h"

struct target;
struct err;
struct policyd;

int target_new(struct policyd *p, struct target **ret, struct err *e);
void target_free(struct target *d);

/* Differs it from what cellsd last confirmed? */
bool target_is_news(const struct target *d);
int64_t target_generation(const struct target *d);
/* Apply's arguments. Returns <0 as sd-bus does. */
int target_write(const struct target *d, struct policyd *p, sd_bus_message *m,
		 const char *cause);
/* Was it made from what is in force now? */
bool target_is_of(const struct target *d, const struct policyd *p);
/* Inside a transaction: this is applied now. Mode changes go to the audit. */
int target_settle(const struct target *d, struct policyd *p, const char *cause,
		  struct err *e);

/* The time that windows see. */
void target_time(const struct policyd *p, struct access_time *ret);
/* Classes that VPs have rights on, but the device lacks: names, a JSON array.
 */
struct json_t *target_lacking(const struct target *d, const struct policyd *p);

#endif

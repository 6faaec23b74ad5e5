/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desired state as cellsd takes it: VPs and rights, made from what is in
 * force at a moment. Compared with what was last applied, it tells whether
 * anything is new, and which modes change.
 */
#ifndef POLICYD_DESIRED_H
#define POLICYD_DESIRED_H

#include <systemd/sd-bus.h>

#include "policyd/evaluate.h"

struct desired;
struct err;
struct policyd;

int desired_new(struct policyd *p, struct desired **ret, struct err *e);
void desired_free(struct desired *d);

/* Differs it from what cellsd last confirmed? */
bool desired_is_news(const struct desired *d);
int64_t desired_generation(const struct desired *d);
/* Apply's arguments. Returns <0 as sd-bus does. */
int desired_write(const struct desired *d, struct policyd *p, sd_bus_message *m,
		  const char *cause);
/* Inside a transaction: this is applied now. Mode changes go to the audit. */
int desired_settle(const struct desired *d, struct policyd *p, const char *cause,
		   struct err *e);

/* The time that windows see. */
void desired_time(const struct policyd *p, struct access_time *ret);
/* Classes that VPs have rights on, but the device lacks: names, a JSON array. */
struct json_t *desired_lacking(const struct desired *d,
			       const struct policyd *p);

#endif

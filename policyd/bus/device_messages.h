/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the messages of org.cells.Device1 hold, as plain structs: see
 * schema/dbus/org.cells.Device1.xml. What was read is valid during the call of
 * the function that gets it.
 */
#ifndef POLICYD_BUS_DEVICE_MESSAGES_H
#define POLICYD_BUS_DEVICE_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"

struct doc_image;
struct doc_vp_config;

/* ---- answers */
struct device_inventory {
	const char *backend, *level;
	json_t *classes; /* name -> nodes */
};

/* A VP as List has it; the rest is for people. */
struct device_vp {
	const char *name;
	const char *state; /* NULL: none given */
	bool is_damaged;
	json_t *not_enforced; /* a list of names; NULL: none given */
	json_t *properties;   /* owned; has the members above */
};

/* The handles and mappings of a VP that were revoked, and those that it kept.
 */
struct device_revoked {
	const char *vp;
	uint32_t cls, handles, mappings, kept;
};

/* ---- signals */
struct device_revocation {
	const struct device_revoked *rows;
	size_t n;
	uint64_t ns;
	const char *cause;
};

struct device_vp_change {
	const char *vp, *state, *cause;
	json_t *not_enforced; /* a list of names */
};

struct device_start_failure {
	const char *vp, *cause, *code, *text;
};

struct device_switch {
	const char *from, *to, *cause;
	uint64_t generation, ns;
};

struct device_event {
	const char *word, *vp, *comm, *cause;
	uint64_t boot_ns;
	uint32_t cls, pid, uid, count;
};

/* ---- Apply: the whole state */
struct device_wanted_vp {
	const struct doc_vp_config *config;
	const struct doc_image *image;
};

struct device_right {
	const char *vp;
	uint32_t cls;
	uint8_t use;
	bool is_blocked, is_killing;
};

struct device_state {
	uint64_t generation;
	const struct device_wanted_vp *vps;
	size_t n_vps;
	const struct device_right *rights;
	size_t n_rights;
	const char *recovery; /* the organisation's point in hex, or "" */
	const char *cause;
};

#endif

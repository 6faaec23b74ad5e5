/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VPs may send and receive: an nftables table, `inet cells`. It is always
 * replaced whole and at once, so there is no moment between two states, and
 * what an earlier daemon left needs no second thought; a VP without rules of
 * its own comes and goes by one set element. What comes from an interface named
 * FIREWALL_LINKS and is in no set is dropped.
 *
 * A second table, `inet cells_flows`, counts and marks the flows of each VP. It
 * is changed and never replaced: what is counted stays counted.
 */
#ifndef CELLSD_NET_FIREWALL_H
#define CELLSD_NET_FIREWALL_H

#include <stdbool.h>
#include <stdint.h>

#define FIREWALL_LINK "cells" /* and a VP's number: the host's end */

/* The mark of a VP's flows; its number is in the lower half. */
#define FIREWALL_MARK 0xce110000U

struct err;
struct firewall;

/* Where a VP may send to; host byte order, 0 is any protocol or port. */
struct firewall_allow {
	uint32_t address;
	uint8_t prefix, protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t port;
};

/* All zero: a VP without rules of its own. */
struct firewall_rules {
	uint64_t rate; /* bytes a second, each way; 0: no limit */
	const struct firewall_allow *allow; /* borrowed; none: anywhere */
	uint32_t n_allow;
};

struct firewall_vp {
	uint32_t number;
	uint32_t address; /* host byte order */
	struct firewall_rules rules;
};

struct firewall_plan {
	uint32_t resolver; /* all DNS of VPs goes there; 0: nowhere */
	bool close;	   /* others may not use the host as a router */
	const struct firewall_vp *vp;
	unsigned int n;
	uint32_t flows_max; /* of one VP; 0: nothing counts flows here */
};

int firewall_new(struct firewall **ret, struct err *e);
void firewall_free(struct firewall *f);

/* Replaces the first table, brings the second up to date. err.kernel where
 * there is no nftables. */
int firewall_load(struct firewall *f, const struct firewall_plan *p,
		  struct err *e);

/* A VP that has no rules of its own; the table must be there. */
bool firewall_is_plain(const struct firewall_vp *v);
int firewall_add_vp(struct firewall *f, const struct firewall_vp *v,
		    struct err *e);
int firewall_remove_vp(struct firewall *f, const struct firewall_vp *v,
		       struct err *e);

/* Removes both tables; none is not an error. */
int firewall_clear(struct firewall *f, struct err *e);

/* What firewall_load() runs; the caller frees. NULL: no memory. */
char *firewall_build_ruleset(const struct firewall_plan *p);

static inline void firewall_freep(struct firewall **f)
{
	firewall_free(*f);
}

#endif

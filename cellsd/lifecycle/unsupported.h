/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine enforces for no VP, whatever configs say, or promises and
 * does not do: for people to read. What a VP lacks of its own config is in
 * unsupported_vp.h.
 */
#ifndef CELLSD_LIFECYCLE_UNSUPPORTED_H
#define CELLSD_LIFECYCLE_UNSUPPORTED_H

#include <stdbool.h>
#include <stddef.h>

#define UNSUPPORTED_MAX 24

/* What it is decided over. */
struct unsupported_facts {
	unsigned int limits; /* CGROUP_LIMIT_*: no controller has it */
	const char *backend_level;
	bool is_network_off, is_firewall_rejected;
	bool is_psi_wanted, has_psi;
	bool is_ksm_wanted, has_ksm;
	bool has_fscrypt;
};

struct unsupported {
	const char *what;   /* a word of cellsctl(1) */
	const char *why;    /* what is missing here */
	const char *remedy; /* what would mend it */
};

/* Those that hold now; how many there are. */
size_t
unsupported_list_features(const struct unsupported_facts *f,
			  const struct unsupported *ret[UNSUPPORTED_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine enforces for no VP, whatever configs say, or promises and
 * does not do: for people to read. What a VP lacks of its own config is in
 * unsupported_vp.h.
 */
#ifndef CELLSD_LIFECYCLE_UNSUPPORTED_H
#define CELLSD_LIFECYCLE_UNSUPPORTED_H

#include <stddef.h>

#define UNSUPPORTED_MAX 24

struct host;

struct unsupported {
	const char *what;   /* a word of cellsctl(1) */
	const char *why;    /* what is missing here */
	const char *remedy; /* what would mend it */
};

/* Those that hold now; how many there are. */
size_t
unsupported_list_features(const struct host *h,
			  const struct unsupported *ret[UNSUPPORTED_MAX]);

#endif

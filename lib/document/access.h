/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modes: what several policies together give a VP on a class, and the verdict.
 * The decision itself is kernel/uapi/cells/mode.h; this adds documents, windows
 * of time and the reasons. Used alike by the device and the server's plan.
 */
#ifndef LIB_DOCUMENT_ACCESS_H
#define LIB_DOCUMENT_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/doc.h"

/* A moment as the <only> windows see it: the device's local wall clock. */
struct access_time {
	int64_t wall; /* seconds since 1970 */
	int weekday;  /* 0 Monday ... 6 Sunday, local */
	int minute;   /* of the day, local */
	/* false: wall lies behind secure time, and no window is open */
	bool trusted;
};

/* Local time of `wall` by the process's time zone. */
void access_time_local(int64_t wall, bool trusted, struct access_time *ret);

/* One rule that spoke, for explain. Borrowed from the policy. */
struct access_reason {
	const struct doc_device_policy *policy;
	/* NULL: display or input, exclusive unless named */
	const struct doc_rule *rule;
	struct cells_right right; /* what it gives now */
	bool window_closed;
	bool is_unmet; /* the policy requires more than the device enforces */
};

#define ACCESS_REASONS_MAX 64
struct access_right {
	struct cells_right right;
	/* keep only if every rule that spoke says so; kill if any does */
	enum doc_on_revoke on_revoke;
	unsigned int n_reasons;
	struct access_reason reason[ACCESS_REASONS_MAX];
};

/* Does a device of that level enforce as much as the policy requires? */
bool access_is_enforced(const struct doc_device_policy *policy,
			enum doc_level level);

/*
 * What the policies give `vp` on `cls` at that moment: least use, OR of block.
 * For a finer class (camera-front) its own rule comes before the coarser one.
 * Rules of a policy that the device's level does not meet use nothing, and
 * block as they do.
 */
void access_right_of(const struct doc_device_policy *const *policies,
		     unsigned int n, const char *vp, enum cells_class cls,
		     const struct access_time *at, enum doc_level level,
		     struct access_right *ret);

/*
 * Seconds from `at` until the next edge of any window in the policies, or until
 * the local zone's offset changes if that is sooner; at least 1. 0: no policy
 * has windows.
 */
int64_t access_next_edge(const struct doc_device_policy *const *policies,
			 unsigned int n, const struct access_time *at);

/*
 * "none", "shared", "exclusive"; with block beside none: "none+block". Of an
 * exclusive rule whose windows are closed the block stays.
 */
const char *access_mode_name(struct cells_right r);

#endif

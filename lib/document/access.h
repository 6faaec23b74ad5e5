/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modes: the right that several policies give a VP on a class, and the verdict.
 * kernel/uapi/cells/mode.h makes the decision; this file adds documents, time
 * windows and reasons. The device and the server's plan both use it.
 */
#ifndef LIB_DOCUMENT_ACCESS_H
#define LIB_DOCUMENT_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/doc.h"

/* A time for the <only> windows: the device's local wall clock. */
struct access_time {
	int64_t wall; /* seconds since 1970 */
	int weekday;  /* 0 Monday ... 6 Sunday, local */
	int minute;   /* of the day, local */
	/* false: wall lies behind secure time, and no window is open */
	bool trusted;
};

/* Converts `wall` to local time with the time zone of the process. */
void access_time_local(int64_t wall, bool trusted, struct access_time *ret);

/* One rule that applied, for explain. Borrowed from the policy. */
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

/* Does a device with that level enforce as much as the policy requires? */
bool access_is_enforced(const struct doc_device_policy *policy,
			enum doc_level level);

/*
 * The right that the policies give `vp` on `cls` at that time: the least use,
 * and the OR of all blocks. For a finer class (camera-front), its own rule has
 * precedence over that of the coarser class. Rules of a policy that requires a
 * higher level have use none, and their blocks apply.
 */
void access_right_of(const struct doc_device_policy *const *policies,
		     unsigned int n, const char *vp, enum cells_class cls,
		     const struct access_time *at, enum doc_level level,
		     struct access_right *ret);

/*
 * Seconds from `at` until the next start or end of a window in the policies, or
 * until the offset of the time zone changes if that is earlier; at least 1. 0:
 * no policy has windows.
 */
int64_t access_next_edge(const struct doc_device_policy *const *policies,
			 unsigned int n, const struct access_time *at);

/*
 * "none", "shared", "exclusive", or "none+block". An exclusive rule whose
 * windows are closed keeps its block.
 */
const char *access_mode_name(struct cells_right r);

#endif

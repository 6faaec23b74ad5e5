/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/access.h"

#include "lib/class.h"

#include <string.h>
#include <time.h>

#define DAYS 7
#define MINUTE 60
#define WEEK_MINUTES (DAYS * DOC_DAY_MINUTES)
#define WEEK ((int64_t)WEEK_MINUTES * MINUTE)
#define NEVER INT64_MAX

void access_time_local(int64_t wall, bool trusted, struct access_time *ret)
{
	time_t t = (time_t)wall;
	struct tm tm = { 0 };

	/* The device may have been set to another zone since the last call. */
	tzset();
	localtime_r(&t, &tm);
	ret->wall = wall;
	ret->weekday = (tm.tm_wday + DAYS - 1) % DAYS;
	ret->minute = tm.tm_hour * 60 + tm.tm_min;
	ret->trusted = trusted;
}

static bool is_window_day(const struct doc_window *w, int weekday)
{
	return w->days >> weekday & 1;
}

/* What runs past midnight belongs to the day on which it began. */
static bool is_window_open(const struct doc_window *w,
			   const struct access_time *at)
{
	int yesterday = (at->weekday + DAYS - 1) % DAYS;

	if (w->from < w->to)
		return is_window_day(w, at->weekday) && at->minute >= w->from &&
		       at->minute < w->to;
	return (is_window_day(w, at->weekday) && at->minute >= w->from) ||
	       (is_window_day(w, yesterday) && at->minute < w->to);
}

static bool is_rule_closed(const struct doc_rule *rule,
			   const struct access_time *at)
{
	if (rule->n_windows == 0)
		return false;
	if (at->trusted)
		for (unsigned int i = 0; i < rule->n_windows; i++)
			if (is_window_open(&rule->window[i], at))
				return false;
	return true;
}

static const struct doc_policy_vp *
find_policy_vp(const struct doc_device_policy *p, const char *vp)
{
	for (unsigned int i = 0; i < p->n_vps; i++)
		if (strcmp(p->vp[i].id, vp) == 0)
			return &p->vp[i];
	return NULL;
}

static const struct doc_rule *find_class_rule(const struct doc_policy_vp *vp,
					      enum cells_class cls)
{
	for (unsigned int i = 0; i < vp->n_rules; i++)
		if (vp->rule[i].cls == cls)
			return &vp->rule[i];
	return NULL;
}

/* What a <default> says has no force here: these are what a VP is seen by. */
static bool is_exclusive_unless_named(enum cells_class cls)
{
	return cls == CELLS_CLASS_DISPLAY || cls == CELLS_CLASS_INPUT;
}

bool access_is_enforced(const struct doc_device_policy *policy,
			enum doc_level level)
{
	return policy->require <= level;
}

/* The rule of one policy that speaks; false: it says nothing. */
static bool evaluate_policy_rule(const struct doc_device_policy *p,
				 const char *vp_id, enum cells_class cls,
				 const struct access_time *at,
				 enum doc_level level,
				 struct access_reason *ret)
{
	const struct doc_policy_vp *vp = find_policy_vp(p, vp_id);
	const struct doc_rule *rule = vp ? find_class_rule(vp, cls) : NULL;

	if (!vp)
		return false;
	if (!rule)
		rule = find_class_rule(vp, class_parent(cls));
	if (!rule && !is_exclusive_unless_named(class_parent(cls))) {
		rule = find_class_rule(vp, CELLS_CLASS_COUNT);
		if (!rule)
			return false;
	}
	ret->policy = p;
	ret->rule = rule;
	ret->window_closed = rule && is_rule_closed(rule, at);
	ret->right.use = rule ? rule->use : CELLS_USE_FRONT;
	ret->right.block = rule ? rule->block : 1;
	/* <default mode="shared"> where there is no such mode. */
	if (ret->right.use == CELLS_USE_ANY && !class_has_shared(cls)) {
		ret->right.use = CELLS_USE_FRONT;
		ret->right.block = 1;
	}
	/* What no rule is written for, display and input, is not taken. */
	ret->is_unmet = rule && !access_is_enforced(p, level);
	if (ret->window_closed || ret->is_unmet)
		ret->right.use = CELLS_USE_NONE;
	return true;
}

/* Kill if any rule says so, keep if all do. */
static enum doc_on_revoke combine_on_revoke(enum doc_on_revoke a,
					    enum doc_on_revoke b)
{
	if (a == b)
		return a;
	return a == DOC_REVOKE_KILL || b == DOC_REVOKE_KILL
		       ? DOC_REVOKE_KILL
		       : DOC_REVOKE_DEFAULT;
}

void access_right_of(const struct doc_device_policy *const *policies,
		     unsigned int n, const char *vp, enum cells_class cls,
		     const struct access_time *at, enum doc_level level,
		     struct access_right *ret)
{
	bool any = false;

	ret->right.use = CELLS_USE_NONE;
	ret->right.block = 0;
	ret->on_revoke = DOC_REVOKE_DEFAULT;
	ret->n_reasons = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct access_reason why;
		enum doc_on_revoke on_revoke;

		if (!evaluate_policy_rule(policies[i], vp, cls, at, level,
					  &why))
			continue;
		on_revoke = why.rule ? why.rule->on_revoke : DOC_REVOKE_DEFAULT;
		ret->right = any ? cells_right_combine(ret->right, why.right)
				 : why.right;
		ret->on_revoke =
			any ? combine_on_revoke(ret->on_revoke, on_revoke)
			    : on_revoke;
		any = true;
		if (ret->n_reasons < ACCESS_REASONS_MAX)
			ret->reason[ret->n_reasons++] = why;
	}
}

/* ---- edges */

/* Seconds from `now` (of the week) to that minute of the week, 1 ... a week. */
static int64_t get_seconds_until(int64_t now, unsigned int minute)
{
	int64_t left = (int64_t)(minute % WEEK_MINUTES) * MINUTE - now;

	return left > 0 ? left : left + WEEK;
}

static int64_t choose_earlier_edge(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t find_next_window_edge(const struct doc_window *w, int64_t now)
{
	unsigned int to = w->to > w->from ? w->to : w->to + DOC_DAY_MINUTES;
	int64_t first = NEVER;

	for (unsigned int d = 0; d < DAYS; d++) {
		unsigned int start = d * DOC_DAY_MINUTES;

		if (!is_window_day(w, (int)d))
			continue;
		first = choose_earlier_edge(
			first, get_seconds_until(now, start + w->from));
		first = choose_earlier_edge(first,
					    get_seconds_until(now, start + to));
	}
	return first;
}

static int64_t find_next_vp_edge(const struct doc_policy_vp *vp, int64_t now)
{
	int64_t first = NEVER;

	for (unsigned int i = 0; i < vp->n_rules; i++) {
		const struct doc_rule *rule = &vp->rule[i];

		for (unsigned int w = 0; w < rule->n_windows; w++)
			first = choose_earlier_edge(
				first,
				find_next_window_edge(&rule->window[w], now));
	}
	return first;
}

static long get_utc_offset(int64_t wall)
{
	time_t t = (time_t)wall;
	struct tm tm = { 0 };

	localtime_r(&t, &tm);
	return tm.tm_gmtoff;
}

/*
 * When the zone's offset changes before the edge, the edge comes earlier or
 * later than its minutes say: then that moment is the next one to look again.
 */
static int64_t clamp_to_offset_change(int64_t wall, int64_t seconds)
{
	long before = get_utc_offset(wall);
	int64_t low = 0, high = seconds;

	if (get_utc_offset(wall + seconds) == before)
		return seconds;
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (get_utc_offset(wall + middle) == before)
			low = middle;
		else
			high = middle;
	}
	return high;
}

int64_t access_next_edge(const struct doc_device_policy *const *policies,
			 unsigned int n, const struct access_time *at)
{
	int64_t now = (int64_t)at->weekday * DOC_DAY_MINUTES * MINUTE +
		      (int64_t)at->minute * MINUTE + at->wall % MINUTE;
	int64_t first = NEVER;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int v = 0; v < policies[i]->n_vps; v++)
			first = choose_earlier_edge(
				first,
				find_next_vp_edge(&policies[i]->vp[v], now));
	return first == NEVER ? 0 : clamp_to_offset_change(at->wall, first);
}

const char *access_mode_name(struct cells_right r)
{
	switch (r.use) {
	case CELLS_USE_ANY:
		return r.block ? "shared+block" : "shared";
	case CELLS_USE_FRONT:
		return r.block ? "exclusive" : "front";
	default:
		return r.block ? "none+block" : "none";
	}
}

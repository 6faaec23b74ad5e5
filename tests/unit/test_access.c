/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/access.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

#define HOUR 3600
#define DAY (24 * HOUR)
#define WEEK_MINUTES (7 * DOC_DAY_MINUTES)

/* Central Europe's rules, with no need of a zone database. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"

static struct err e;

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static struct doc *policy(const char *body)
{
	struct doc *d = NULL;
	char xml[8192];

	snprintf(xml, sizeof(xml),
		 "<device-policy xmlns='urn:cells:device-policy:1' org='acme' "
		 "id='p' version='1' issued='2026-11-20T08:00:00Z' "
		 "expires='2027-11-20T08:00:00Z'>%s</device-policy>",
		 body);
	ck_assert_msg(doc_parse(DOC_DEVICE_POLICY, xml, strlen(xml), &d, &e) ==
			      0,
		      "%s: %s", body, e.text);
	return d;
}

static const struct access_time noon = {
	.wall = 1795175999, .weekday = 4, .minute = 720, .trusted = true
};

/* ---- what rules say together */

#define VP(rules) "<vp id='work'>" rules "</vp>"
#define CLASS(name, mode) "<class name='" name "' mode='" mode "'/>"

static const struct {
	const char *body[3];
	enum cells_class cls;
	const char *mode;
	unsigned int n_reasons;
} cases[] = {
	/* No rule at all. */
	{ { "<vp id='other'><default mode='shared'/></vp>" },
	  CELLS_CLASS_CAMERA,
	  "none",
	  0 },
	{ { VP("") }, CELLS_CLASS_CAMERA, "none", 0 },
	{ { VP(CLASS("gps", "shared")) }, CELLS_CLASS_CAMERA, "none", 0 },
	/* The three modes, and a block beside none. */
	{ { VP(CLASS("camera", "none")) }, CELLS_CLASS_CAMERA, "none", 1 },
	{ { VP(CLASS("camera", "shared")) }, CELLS_CLASS_CAMERA, "shared", 1 },
	{ { VP(CLASS("camera", "exclusive")) },
	  CELLS_CLASS_CAMERA,
	  "exclusive",
	  1 },
	{ { VP("<class name='gps' mode='none' block='true'/>") },
	  CELLS_CLASS_GPS,
	  "none+block",
	  1 },
	{ { VP("<class name='gps' mode='none' block='false'/>") },
	  CELLS_CLASS_GPS,
	  "none",
	  1 },
	/* The default, and what comes before it. */
	{ { VP("<default mode='shared'/>") }, CELLS_CLASS_CAMERA, "shared", 1 },
	{ { VP(CLASS("camera", "none") "<default mode='shared'/>") },
	  CELLS_CLASS_CAMERA,
	  "none",
	  1 },
	/* Shared where there is no such mode. */
	{ { VP("<default mode='shared'/>") },
	  CELLS_CLASS_MODEM,
	  "exclusive",
	  1 },
	{ { VP("<default mode='shared'/>") }, CELLS_CLASS_LED, "exclusive", 1 },
	/* Display and input are exclusive unless named. */
	{ { VP("") }, CELLS_CLASS_DISPLAY, "exclusive", 1 },
	{ { VP("<default mode='none'/>") },
	  CELLS_CLASS_DISPLAY,
	  "exclusive",
	  1 },
	{ { VP("<default mode='none'/>") }, CELLS_CLASS_INPUT, "exclusive", 1 },
	{ { VP(CLASS("display", "none")) }, CELLS_CLASS_DISPLAY, "none", 1 },
	{ { VP("<default mode='none'/>") }, CELLS_CLASS_POWER, "none", 1 },
	/* Finer classes. */
	{ { VP(CLASS("camera", "shared")) },
	  CELLS_CLASS_CAMERA_FRONT,
	  "shared",
	  1 },
	{ { VP(CLASS("camera", "shared") CLASS("camera-front", "none")) },
	  CELLS_CLASS_CAMERA_FRONT,
	  "none",
	  1 },
	{ { VP(CLASS("camera", "none") CLASS("camera-front", "shared")) },
	  CELLS_CLASS_CAMERA_FRONT,
	  "shared",
	  1 },
	{ { VP(CLASS("camera", "none") CLASS("camera-front", "shared")) },
	  CELLS_CLASS_CAMERA,
	  "none",
	  1 },
	{ { VP(CLASS("camera-front", "none") "<default mode='shared'/>") },
	  CELLS_CLASS_CAMERA_BACK,
	  "shared",
	  1 },
	{ { VP(CLASS("camera", "none") "<default mode='shared'/>") },
	  CELLS_CLASS_CAMERA_BACK,
	  "none",
	  1 },
	/* Several policies: least use, any block. */
	{ { VP(CLASS("camera", "shared")), VP(CLASS("camera", "exclusive")) },
	  CELLS_CLASS_CAMERA,
	  "exclusive",
	  2 },
	{ { VP(CLASS("camera", "exclusive")), VP("<default mode='none'/>") },
	  CELLS_CLASS_CAMERA,
	  "none+block",
	  2 },
	{ { VP(CLASS("camera", "shared")), VP(""),
	    "<vp id='other'><default mode='none'/></vp>" },
	  CELLS_CLASS_CAMERA,
	  "shared",
	  1 },
	{ { VP(""), VP("<default mode='shared'/>"),
	    VP(CLASS("input", "none")) },
	  CELLS_CLASS_INPUT,
	  "none+block",
	  3 },
	{ { VP(CLASS("camera", "none")), VP(CLASS("camera-front", "shared")) },
	  CELLS_CLASS_CAMERA_FRONT,
	  "none",
	  2 },
};

START_TEST(rules_together_give_the_mode)
{
	const struct doc_device_policy *policies[3];
	struct doc *docs[3] = { NULL };
	struct access_right right;
	unsigned int n = 0;

	while (n < 3 && cases[_i].body[n]) {
		docs[n] = policy(cases[_i].body[n]);
		policies[n] = doc_as_device_policy(docs[n]);
		n++;
	}
	access_right_of(policies, n, "work", cases[_i].cls, &noon, DOC_OPEN,
			&right);
	ck_assert_str_eq(access_mode_name(right.right), cases[_i].mode);
	ck_assert_uint_eq(right.n_reasons, cases[_i].n_reasons);
	while (n-- > 0)
		doc_free(docs[n]);
}
END_TEST

/* ---- policies that require more than the device enforces */

#define UNMET "<require enforcement='live'/>"

static const struct {
	const char *body[2];
	enum cells_class cls;
	const char *open, *live; /* the mode at these levels */
} requirements[] = {
	{ { UNMET VP(CLASS("camera", "shared")) },
	  CELLS_CLASS_CAMERA,
	  "none",
	  "shared" },
	{ { UNMET VP(CLASS("camera", "exclusive")) },
	  CELLS_CLASS_CAMERA,
	  "none+block",
	  "exclusive" },
	{ { UNMET VP("<default mode='exclusive'/>") },
	  CELLS_CLASS_CAMERA,
	  "none+block",
	  "exclusive" },
	/* Blocks of others stay: what one VP may not, nobody else may. */
	{ { UNMET VP(CLASS("camera", "shared")),
	    VP("<class name='camera' mode='none' block='true'/>") },
	  CELLS_CLASS_CAMERA,
	  "none+block",
	  "none+block" },
	{ { UNMET VP(CLASS("gps", "shared")),
	    VP(CLASS("camera", "exclusive")) },
	  CELLS_CLASS_CAMERA,
	  "exclusive",
	  "exclusive" },
	/* Of what it says nothing, it takes nothing. */
	{ { UNMET VP(CLASS("gps", "shared")), VP("<default mode='shared'/>") },
	  CELLS_CLASS_CAMERA,
	  "shared",
	  "shared" },
	{ { UNMET VP("<default mode='none'/>") },
	  CELLS_CLASS_DISPLAY,
	  "exclusive",
	  "exclusive" },
	{ { UNMET VP(CLASS("display", "exclusive")) },
	  CELLS_CLASS_DISPLAY,
	  "none+block",
	  "exclusive" },
	{ { UNMET "<vp id='other'><default mode='none'/></vp>",
	    VP("<default mode='shared'/>") },
	  CELLS_CLASS_CAMERA,
	  "shared",
	  "shared" },
};

START_TEST(unmet_policy_uses_nothing_and_blocks_as_ever)
{
	const struct doc_device_policy *policies[2];
	struct doc *docs[2] = { NULL };
	struct access_right open, live;
	unsigned int n = 0;

	for (; n < 2 && requirements[_i].body[n]; n++) {
		docs[n] = policy(requirements[_i].body[n]);
		policies[n] = doc_as_device_policy(docs[n]);
	}
	access_right_of(policies, n, "work", requirements[_i].cls, &noon,
			DOC_OPEN, &open);
	access_right_of(policies, n, "work", requirements[_i].cls, &noon,
			DOC_LIVE, &live);
	ck_assert_str_eq(access_mode_name(open.right), requirements[_i].open);
	ck_assert_str_eq(access_mode_name(live.right), requirements[_i].live);
	for (unsigned int i = 0; i < open.n_reasons; i++) {
		const struct access_reason *why = &open.reason[i];

		ck_assert_int_eq(why->is_unmet,
				 why->rule && why->policy->require > DOC_OPEN);
		ck_assert(!live.reason[i].is_unmet);
	}
	while (n-- > 0)
		doc_free(docs[n]);
}
END_TEST

static const struct {
	const char *say[2];
	enum doc_on_revoke on_revoke;
} revokes[] = {
	{ { "" }, DOC_REVOKE_DEFAULT },
	{ { "on-revoke='keep'" }, DOC_REVOKE_KEEP },
	{ { "on-revoke='kill'" }, DOC_REVOKE_KILL },
	{ { "on-revoke='keep'", "on-revoke='keep'" }, DOC_REVOKE_KEEP },
	{ { "on-revoke='keep'", "" }, DOC_REVOKE_DEFAULT },
	{ { "", "on-revoke='keep'" }, DOC_REVOKE_DEFAULT },
	{ { "on-revoke='kill'", "on-revoke='keep'" }, DOC_REVOKE_KILL },
	{ { "", "on-revoke='kill'" }, DOC_REVOKE_KILL },
};

START_TEST(handles_are_kept_only_if_every_rule_says_so)
{
	const struct doc_device_policy *policies[2];
	struct doc *docs[2] = { NULL };
	struct access_right right;
	unsigned int n = 0;

	for (; n < 2 && revokes[_i].say[n]; n++) {
		char body[128];

		snprintf(body, sizeof(body),
			 VP("<class name='gps' mode='none' %s/>"),
			 revokes[_i].say[n]);
		docs[n] = policy(body);
		policies[n] = doc_as_device_policy(docs[n]);
	}
	access_right_of(policies, n, "work", CELLS_CLASS_GPS, &noon, DOC_OPEN,
			&right);
	ck_assert_uint_eq(right.on_revoke, revokes[_i].on_revoke);
	while (n-- > 0)
		doc_free(docs[n]);
}
END_TEST

/* What does not fit into the list of reasons still counts. */
START_TEST(more_policies_than_reasons_all_count)
{
	AUTO(doc_freep)
	struct doc *wide = policy(VP("<default mode='shared'/>"));
	AUTO(doc_freep) struct doc *last = policy(VP("<default mode='none'/>"));
	const struct doc_device_policy *policies[ACCESS_REASONS_MAX + 2];
	struct access_right right;
	unsigned int n = ARRAY_SIZE(policies);

	for (unsigned int i = 0; i < n; i++)
		policies[i] = doc_as_device_policy(i + 1 < n ? wide : last);
	access_right_of(policies, n, "work", CELLS_CLASS_GPS, &noon, DOC_OPEN,
			&right);
	ck_assert_str_eq(access_mode_name(right.right), "none");
	ck_assert_uint_eq(right.n_reasons, ACCESS_REASONS_MAX);
}
END_TEST

START_TEST(reasons_name_policy_rule_and_window)
{
	AUTO(doc_freep)
	struct doc *d = policy(
		VP("<class name='gps' mode='exclusive'>"
		   "<only days='mon' from='08:00' to='09:00'/></class>"));
	const struct doc_device_policy *p = doc_as_device_policy(d);
	struct access_right right;

	access_right_of(&p, 1, "work", CELLS_CLASS_GPS, &noon, DOC_OPEN,
			&right);
	ck_assert_str_eq(access_mode_name(right.right), "none+block");
	ck_assert_ptr_eq(right.reason[0].policy, p);
	ck_assert_ptr_eq(right.reason[0].rule, &p->vp[0].rule[0]);
	ck_assert(right.reason[0].window_closed);
	access_right_of(&p, 1, "work", CELLS_CLASS_DISPLAY, &noon, DOC_OPEN,
			&right);
	ck_assert_ptr_null(right.reason[0].rule);
	ck_assert(!right.reason[0].window_closed);
}
END_TEST

/* ---- windows */

static const struct {
	const char *windows;
	struct {
		unsigned int days, from, minutes; /* the same, counted out */
	} span[3];
} weeks[] = {
	{ "<only days='mon-fri' from='08:00' to='18:00'/>",
	  { { 0x1f, 480, 600 } } },
	{ "<only days='mon-sun' from='00:00' to='24:00'/>",
	  { { 0x7f, 0, 1440 } } },
	{ "<only days='sat' from='22:30' to='06:15'/>",
	  { { 0x20, 1350, 465 } } },
	{ "<only days='sun' from='22:30' to='06:15'/>",
	  { { 0x40, 1350, 465 } } },
	{ "<only days='fri-mon wed' from='23:59' to='00:01'/>",
	  { { 0x75, 1439, 2 } } },
	{ "<only days='thu' from='12:00' to='12:00'/>",
	  { { 0x08, 720, 1440 } } },
	{ "<only days='tue' from='00:00' to='00:00'/>", { { 0x02, 0, 1440 } } },
	{ "<only days='mon wed' from='08:00' to='12:00'/>"
	  "<only days='wed-thu' from='10:00' to='14:00'/>"
	  "<only days='sun' from='20:00' to='08:00'/>",
	  { { 0x05, 480, 240 }, { 0x0c, 600, 240 }, { 0x40, 1200, 720 } } },
};

static struct doc *window_policy(const char *windows)
{
	char body[1024];

	snprintf(body, sizeof(body),
		 VP("<class name='camera' mode='shared'>%s</class>"), windows);
	return policy(body);
}

static bool is_open(const struct doc_device_policy *p,
		    const struct access_time *at)
{
	struct access_right right;

	access_right_of(&p, 1, "work", CELLS_CLASS_CAMERA, at, DOC_OPEN,
			&right);
	ck_assert_int_eq(right.right.use == CELLS_USE_ANY,
			 !right.reason[0].window_closed);
	return right.right.use == CELLS_USE_ANY;
}

/* Marks each minute of the week in which the spans are open. */
static void count_out(int i, bool open[WEEK_MINUTES])
{
	memset(open, 0, WEEK_MINUTES * sizeof(*open));
	for (size_t s = 0; s < ARRAY_SIZE(weeks[i].span); s++)
		for (unsigned int d = 0; d < 7; d++)
			for (unsigned int m = 0;
			     (weeks[i].span[s].days & 1U << d) &&
			     m < weeks[i].span[s].minutes;
			     m++)
				open[(d * 1440 + weeks[i].span[s].from + m) %
				     WEEK_MINUTES] = true;
}

#define MONDAY INT64_C(1795392000) /* 2026-11-23T00:00:00Z */

START_TEST(windows_are_open_at_their_minutes_of_the_week)
{
	AUTO(doc_freep) struct doc *d = window_policy(weeks[_i].windows);
	bool open[WEEK_MINUTES];

	set_zone("UTC");
	count_out(_i, open);
	for (int m = 0; m < WEEK_MINUTES; m++) {
		struct access_time at;

		access_time_local(MONDAY + m * 60 + m % 60, true, &at);
		ck_assert_int_eq(at.weekday * 1440 + at.minute, m);
		ck_assert_msg(is_open(doc_as_device_policy(d), &at) == open[m],
			      "%s at minute %d", weeks[_i].windows, m);
		at.trusted = false;
		ck_assert(!is_open(doc_as_device_policy(d), &at));
	}
}
END_TEST

/* Seconds in [from, to) for which the window of the policy is open. */
static int64_t open_seconds(const struct doc_device_policy *p, int64_t from,
			    int64_t to)
{
	int64_t n = 0;

	for (int64_t t = from; t < to; t += 60) {
		struct access_time at;

		access_time_local(t, true, &at);
		n += is_open(p, &at) ? 60 : 0;
	}
	return n;
}

#define SPRING INT64_C(1774746000) /* 2026-03-29T01:00:00Z, 02:00 -> 03:00 */
#define AUTUMN INT64_C(1792890000) /* 2026-10-25T01:00:00Z, 03:00 -> 02:00 */

START_TEST(windows_follow_the_local_clock)
{
	AUTO(doc_freep)
	struct doc *d =
		window_policy("<only days='sun' from='01:30' to='03:30'/>");
	const struct doc_device_policy *p = doc_as_device_policy(d);
	struct access_time at;

	set_zone(BERLIN);
	access_time_local(SPRING - 1, true, &at);
	ck_assert_int_eq(at.minute, 119);
	access_time_local(SPRING, true, &at);
	ck_assert_int_eq(at.minute, 180);
	ck_assert_int_eq(at.weekday, 6);
	ck_assert_int_eq(open_seconds(p, SPRING - DAY, SPRING + DAY), HOUR);
	ck_assert_int_eq(open_seconds(p, AUTUMN - DAY, AUTUMN + DAY), 3 * HOUR);
	ck_assert_int_eq(open_seconds(p, MONDAY, MONDAY + 7 * DAY), 2 * HOUR);
}
END_TEST

/* ---- edges */

static long offset_at(int64_t wall)
{
	time_t t = (time_t)wall;
	struct tm tm;

	localtime_r(&t, &tm);
	return tm.tm_gmtoff;
}

/* Does any window begin or end in this very minute of the local week? */
static bool is_edge(const struct doc_device_policy *p,
		    const struct access_time *at)
{
	const struct doc_rule *rule = &p->vp[0].rule[0];
	int now = at->weekday * 1440 + at->minute;

	for (unsigned int w = 0; w < rule->n_windows; w++)
		for (int d = 0; d < 7; d++) {
			const struct doc_window *win = &rule->window[w];
			int end =
				win->to > win->from ? win->to : win->to + 1440;

			if ((win->days & 1 << d) &&
			    (now == d * 1440 + win->from ||
			     now == (d * 1440 + end) % WEEK_MINUTES))
				return true;
		}
	return false;
}

static int64_t walk_to_edge(const struct doc_device_policy *p, int64_t wall)
{
	for (int64_t t = wall - wall % 60 + 60;; t += 60) {
		struct access_time at;

		access_time_local(t, true, &at);
		if (is_edge(p, &at) || offset_at(t) != offset_at(t - 60))
			return t - wall;
	}
}

static void assert_edges(const char *windows, int64_t from, int64_t to)
{
	AUTO(doc_freep) struct doc *d = window_policy(windows);
	const struct doc_device_policy *p = doc_as_device_policy(d);

	for (int64_t t = from; t < to; t += 9973) {
		struct access_time at;
		int64_t edge;

		access_time_local(t, true, &at);
		edge = access_next_edge(&p, 1, &at);
		ck_assert_msg(edge == walk_to_edge(p, t),
			      "%s at %lld: %lld, not %lld", windows,
			      (long long)t, (long long)edge,
			      (long long)walk_to_edge(p, t));
	}
}

START_TEST(next_edge_is_where_a_walk_finds_it)
{
	set_zone("UTC");
	assert_edges(weeks[_i].windows, MONDAY, MONDAY + 8 * DAY);
}
END_TEST

START_TEST(next_edge_is_right_where_the_clock_jumps)
{
	set_zone(BERLIN);
	assert_edges(weeks[_i].windows, SPRING - 3 * DAY, SPRING + 3 * DAY);
	assert_edges(weeks[_i].windows, AUTUMN - 3 * DAY, AUTUMN + 3 * DAY);
}
END_TEST

START_TEST(without_windows_there_is_no_edge)
{
	AUTO(doc_freep) struct doc *d = policy(VP("<default mode='shared'/>"));
	const struct doc_device_policy *p = doc_as_device_policy(d);

	ck_assert_int_eq(access_next_edge(&p, 1, &noon), 0);
	ck_assert_int_eq(access_next_edge(&p, 0, &noon), 0);
}
END_TEST

START_TEST(the_soonest_edge_of_several_policies_counts)
{
	AUTO(doc_freep)
	struct doc *a =
		window_policy("<only days='sat' from='08:00' to='09:00'/>");
	AUTO(doc_freep)
	struct doc *b = policy(VP(
		"<default mode='shared'/>") "<vp id='x'><default mode='none'>"
					    "<only days='fri' from='12:00' "
					    "to='12:05'/></default></vp>");
	const struct doc_device_policy *p[] = { doc_as_device_policy(a),
						doc_as_device_policy(b) };
	struct access_time at;

	set_zone("UTC");
	/* Friday, 12:03:20. */
	access_time_local(MONDAY + 4 * DAY + 12 * HOUR + 200, true, &at);
	ck_assert_int_eq(access_next_edge(p, 2, &at), 100);
	ck_assert_int_eq(access_next_edge(p, 1, &at), 20 * HOUR - 200);
}
END_TEST

/* ---- random policies */

static uint64_t state = 88172645463325252U;

static unsigned int draw(unsigned int below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned int)(state >> 33) % below;
}

static const char *const vps[] = { "work", "personal", "kiosk" };

static struct doc *random_policy(void)
{
	static const char *const modes[] = { "none", "shared", "exclusive" };
	static const char *const requires[] = {
		"", "<require enforcement='live'/>",
		"<require enforcement='mapped'/>"
	};
	char body[8192] = "";
	size_t n = (size_t)sprintf(body, "%s", requires[draw(3)]);

	for (size_t v = 0; v < ARRAY_SIZE(vps); v++) {
		if (v > 0 && draw(4) == 0)
			continue;
		n += (size_t)sprintf(body + n, "<vp id='%s'>", vps[v]);
		for (enum cells_class c = 0; c < CELLS_CLASS_COUNT; c++) {
			unsigned int mode = draw(3);

			if (draw(3) > 0)
				continue;
			if (mode == 1 && !class_has_shared(c))
				mode = 2;
			n += (size_t)sprintf(
				body + n, "<class name='%s' mode='%s'%s>",
				class_name(c), modes[mode],
				mode == 0 && draw(2) ? " block='true'" : "");
			if (draw(4) == 0)
				n += (size_t)sprintf(
					body + n,
					"<only days='mon-fri' from='%02u:00' "
					"to='%02u:30'/>",
					draw(24), draw(24));
			n += (size_t)sprintf(body + n, "</class>");
		}
		if (draw(2))
			n += (size_t)sprintf(
				body + n, "<default mode='%s'>%s</default>",
				modes[draw(3)],
				draw(4) ? ""
					: "<only days='tue-sun' from='06:00' "
					  "to='22:00'/>");
		n += (size_t)sprintf(body + n, "</vp>");
	}
	return policy(body);
}

static bool allowed(const struct access_right *own, int is_front,
		    const struct access_right *front)
{
	static const struct cells_right nothing;

	return cells_allowed(own->right, is_front,
			     front ? front->right : nothing);
}

/* What a device cannot enforce gives no VP what it would not have where it can:
 * a block that fell away with its use would. */
static void assert_no_more_than_met(const struct doc_device_policy *const *p,
				    unsigned int n, enum cells_class c,
				    const struct access_time *at,
				    enum doc_level level)
{
	struct access_right met[ARRAY_SIZE(vps)], here[ARRAY_SIZE(vps)];

	for (size_t v = 0; v < ARRAY_SIZE(vps); v++) {
		access_right_of(p, n, vps[v], c, at, DOC_MAPPED, &met[v]);
		access_right_of(p, n, vps[v], c, at, level, &here[v]);
	}
	for (size_t f = 0; f < ARRAY_SIZE(vps); f++)
		for (size_t v = 0; v < ARRAY_SIZE(vps); v++)
			ck_assert(!allowed(&here[v], f == v, &here[f]) ||
				  allowed(&met[v], f == v, &met[f]));
}

/*
 * Where a rule already speaks of a VP and class, one more policy takes or
 * leaves alone, with any VP in front. (Where none does, nothing was ever
 * granted.)
 */
static void assert_only_takes(const struct doc_device_policy *const *p,
			      unsigned int n, enum cells_class c,
			      const struct access_time *at,
			      enum doc_level level)
{
	struct access_right before[ARRAY_SIZE(vps)], after[ARRAY_SIZE(vps)];

	for (size_t v = 0; v < ARRAY_SIZE(vps); v++) {
		access_right_of(p, n, vps[v], c, at, level, &before[v]);
		access_right_of(p, n + 1, vps[v], c, at, level, &after[v]);
	}
	for (size_t f = 0; f <= ARRAY_SIZE(vps); f++)
		for (size_t v = 0; v < ARRAY_SIZE(vps); v++) {
			bool front = f < ARRAY_SIZE(vps);

			if (before[v].n_reasons == 0)
				continue;
			ck_assert(!allowed(&after[v], f == v,
					   front ? &after[f] : NULL) ||
				  allowed(&before[v], f == v,
					  front ? &before[f] : NULL));
		}
}

START_TEST(another_policy_never_permits_what_was_denied)
{
	for (int i = 0; i < 300; i++) {
		const struct doc_device_policy *p[5];
		struct doc *docs[5];
		unsigned int n = 1 + draw(4);
		struct access_time at = { .wall = 0,
					  .weekday = (int)draw(7),
					  .minute = (int)draw(1440),
					  .trusted = draw(8) > 0 };

		for (unsigned int k = 0; k <= n; k++) {
			docs[k] = random_policy();
			p[k] = doc_as_device_policy(docs[k]);
		}
		for (enum cells_class c = 0; c < CELLS_CLASS_COUNT; c++)
			for (enum doc_level l = DOC_OPEN; l <= DOC_MAPPED;
			     l++) {
				assert_only_takes(p, n, c, &at, l);
				assert_no_more_than_met(p, n, c, &at, l);
			}
		for (unsigned int k = 0; k <= n; k++)
			doc_free(docs[k]);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, unmet_policy_uses_nothing_and_blocks_as_ever, 0,
			    ARRAY_SIZE(requirements));
	tcase_add_loop_test(tc, rules_together_give_the_mode, 0,
			    ARRAY_SIZE(cases));
	tcase_add_loop_test(tc, handles_are_kept_only_if_every_rule_says_so, 0,
			    ARRAY_SIZE(revokes));
	tcase_add_test(tc, more_policies_than_reasons_all_count);
	tcase_add_test(tc, reasons_name_policy_rule_and_window);
	tcase_add_loop_test(tc, windows_are_open_at_their_minutes_of_the_week,
			    0, ARRAY_SIZE(weeks));
	tcase_add_test(tc, windows_follow_the_local_clock);
	tcase_add_loop_test(tc, next_edge_is_where_a_walk_finds_it, 0,
			    ARRAY_SIZE(weeks));
	tcase_add_loop_test(tc, next_edge_is_right_where_the_clock_jumps, 0,
			    ARRAY_SIZE(weeks));
	tcase_add_test(tc, without_windows_there_is_no_edge);
	tcase_add_test(tc, the_soonest_edge_of_several_policies_counts);
	tcase_add_test(tc, another_policy_never_permits_what_was_denied);
}

UNIT_MAIN("access", add)

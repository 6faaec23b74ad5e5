/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/document/doc.h"
#include "lib/document/doc_read.h"
#include "lib/document/xml.h"
#include "lib/err.h"

#include <string.h>

#define MINUTES_PER_HOUR 60
#define RULES_MAX 64

enum mode { MODE_NONE, MODE_SHARED, MODE_EXCLUSIVE };

static const char *const mode_names[] = {
	[MODE_NONE] = "none",
	[MODE_SHARED] = "shared",
	[MODE_EXCLUSIVE] = "exclusive",
	NULL,
};

static const struct cells_right mode_rights[] = {
	[MODE_NONE] = { CELLS_USE_NONE, 0 },
	[MODE_SHARED] = { CELLS_USE_ANY, 0 },
	[MODE_EXCLUSIVE] = { CELLS_USE_FRONT, 1 },
};

static const char *const on_revoke_names[] = {
	[DOC_REVOKE_DEFAULT] = "",
	[DOC_REVOKE_KILL] = "kill",
	[DOC_REVOKE_KEEP] = "keep",
	NULL,
};

/* ---- windows */

static const char *const day_names[] = { "mon", "tue", "wed", "thu",
					 "fri", "sat", "sun" };
#define DAYS ARRAY_SIZE(day_names)

/* 0 Monday ... 6 Sunday; DAYS: it is none. */
static unsigned int parse_weekday(const char *s)
{
	unsigned int d = 0;

	while (d < DAYS && strncmp(s, day_names[d], 3) != 0)
		d++;
	return d;
}

/* "mon-fri sun", by the schema's pattern; a range may run over Sunday. */
static int parse_weekday_list(const char *s, uint8_t *ret)
{
	uint8_t days = 0;

	while (*s) {
		unsigned int from = parse_weekday(s), to = from;

		if (from < DAYS && s[3] == '-') {
			to = parse_weekday(s + 4);
			s += 4;
		}
		if (from == DAYS || to == DAYS || (s[3] && s[3] != ' '))
			return -EINVAL;
		s += s[3] ? 4 : 3;
		for (; from != to; from = (from + 1) % DAYS)
			days |= (uint8_t)(1 << from);
		days |= (uint8_t)(1 << to);
	}
	*ret = days;
	return 0;
}

/* "HH:MM" to minutes of the day. */
static int parse_time_of_day(const char *s, uint16_t *ret)
{
	unsigned int hours, minutes;

	if (strlen(s) != 5 || sscanf(s, "%2u:%2u", &hours, &minutes) != 2 ||
	    minutes >= MINUTES_PER_HOUR)
		return -EINVAL;
	*ret = (uint16_t)(hours * MINUTES_PER_HOUR + minutes);
	return *ret <= DOC_DAY_MINUTES ? 0 : -EINVAL;
}

static int read_time_window(const struct xml_node *n, struct doc_rule *rule,
			    struct err *e)
{
	const char *days = xml_attribute(n, "days");
	const char *from = xml_attribute(n, "from"),
		   *to = xml_attribute(n, "to");
	struct doc_window *w = &rule->window[rule->n_windows];

	if (rule->n_windows == DOC_WINDOWS_MAX)
		return doc_read_error(n, e, "more than %d windows",
				      DOC_WINDOWS_MAX);
	if (!days || parse_weekday_list(days, &w->days) < 0 || w->days == 0)
		return doc_read_error(n, e, "days are not valid");
	if (!from || parse_time_of_day(from, &w->from) < 0 ||
	    w->from == DOC_DAY_MINUTES || !to ||
	    parse_time_of_day(to, &w->to) < 0)
		return doc_read_error(n, e, "from or to is not valid");
	rule->n_windows++;
	return 0;
}

/* ---- rules */

struct rule_attributes {
	enum mode mode;
	bool block;
	enum doc_on_revoke on_revoke;
};

static const struct doc_read_attribute rule_table[] = {
	DOC_READ("mode", WORD, struct rule_attributes, mode,
		 .words = mode_names),
	DOC_READ("block", FLAG, struct rule_attributes, block,
		 .optional = true),
	DOC_READ("on-revoke", WORD, struct rule_attributes, on_revoke,
		 .words = on_revoke_names, .optional = true),
	{ NULL },
};

/* The class of the rule; CELLS_CLASS_COUNT for <default>. */
static int read_rule_class(const struct xml_node *n, enum mode mode,
			   enum cells_class *ret, struct err *e)
{
	const char *name = xml_attribute(n, "name");
	enum cells_class cls = CELLS_CLASS_COUNT;

	if (!doc_read_is_element(n, "default")) {
		cls = class_from_name(name ? name : "");
		if (cls == CELLS_CLASS_COUNT)
			return err_reason(e, REASON_UNKNOWN_CLASS,
					  "parse device-policy: line %u: there "
					  "unknown class '%.40s'",
					  xml_line(n), name ? name : "");
		if (mode == MODE_SHARED && !class_has_shared(cls))
			return err_reason(e, REASON_UNSUPPORTED_MODE,
					  "parse device-policy: line %u: class "
					  "'%s' has no mode "
					  "'shared'",
					  xml_line(n), name);
	}
	*ret = cls;
	return 0;
}

static int read_class_rule(const struct xml_node *n, struct doc_rule *rule,
			   struct err *e)
{
	struct rule_attributes a = { 0 };
	int r;

	r = doc_read_attributes(n, rule_table, &a, e);
	if (r < 0)
		return r;
	r = read_rule_class(n, a.mode, &rule->cls, e);
	if (r < 0)
		return r;
	if (xml_attribute(n, "block") && a.mode != MODE_NONE)
		return doc_read_error(
			n, e, "block and mode='none' exclude each other");
	rule->use = mode_rights[a.mode].use;
	rule->block = a.block || mode_rights[a.mode].block;
	rule->on_revoke = a.on_revoke;
	rule->line = xml_line(n);
	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c)) {
		r = read_time_window(c, rule, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- VPs */

static unsigned int count_children(const struct xml_node *n)
{
	unsigned int i = 0;

	for (n = xml_first(n); n; n = xml_next(n))
		i++;
	return i;
}

static bool has_class_rule(const struct doc_policy_vp *vp, enum cells_class cls)
{
	for (unsigned int i = 0; i < vp->n_rules; i++)
		if (vp->rule[i].cls == cls)
			return true;
	return false;
}

static int read_vp_rules(const struct xml_node *n, struct doc_policy_vp *vp,
			 struct err *e)
{
	unsigned int room = count_children(n);

	if (room > RULES_MAX + 1)
		return doc_read_error(n, e, "more than %d rules", RULES_MAX);
	if (room == 0)
		return 0;
	vp->rule = calloc(room, sizeof(*vp->rule));
	if (!vp->rule)
		return err_oom(e, "read a policy");
	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c)) {
		struct doc_rule *rule = &vp->rule[vp->n_rules];
		int r = read_class_rule(c, rule, e);

		if (r < 0)
			return r;
		if (has_class_rule(vp, rule->cls))
			return doc_read_error(c, e, "is a duplicate in VP '%s'",
					      vp->id);
		vp->n_rules++;
	}
	return 0;
}

static const struct doc_read_attribute vp_table[] = {
	DOC_READ("id", ID, struct doc_policy_vp, id),
	{ NULL },
};

static int read_policy_vp(const struct xml_node *n, struct doc_device_policy *p,
			  struct err *e)
{
	struct doc_policy_vp *vp = &p->vp[p->n_vps];
	int r;

	if (p->n_vps == DOC_VPS_MAX)
		return doc_read_error(n, e, "more than %d VPs", DOC_VPS_MAX);
	r = doc_read_attributes(n, vp_table, vp, e);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < p->n_vps; i++)
		if (strcmp(p->vp[i].id, vp->id) == 0)
			return doc_read_error(n, e, "duplicate VP '%s'",
					      vp->id);
	/* From here doc_policy_fini() frees its rules. */
	p->n_vps++;
	return read_vp_rules(n, vp, e);
}

static const struct doc_read_attribute require_table[] = {
	DOC_READ("enforcement", WORD, struct doc_device_policy, require,
		 .words = doc_level_names),
	{ NULL },
};

int doc_policy_read(const struct xml_node *n, struct doc *ret, struct err *e)
{
	struct doc_device_policy *p = (struct doc_device_policy *)ret;

	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c)) {
		int r = doc_read_is_element(c, "require")
				? doc_read_attributes(c, require_table, p, e)
				: read_policy_vp(c, p, e);

		if (r < 0)
			return r;
	}
	return 0;
}

void doc_policy_fini(struct doc *d)
{
	struct doc_device_policy *p = (struct doc_device_policy *)d;

	for (unsigned int i = 0; i < p->n_vps; i++)
		free(p->vp[i].rule);
}

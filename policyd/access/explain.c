/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/access/explain.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/document/envelope.h"
#include "lib/document/threshold.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "policyd/access/evaluate.h"
#include "policyd/document/document_state.h"
#include "policyd/store/store.h"

#include <string.h>

#define NAMES_SIZE 1024
#define WINDOWS_SIZE 1024

/* Who signed the policy, by the names of the root in force. */
static void list_policy_signers(const struct evaluate_facts *f,
				const struct doc_device_policy *d,
				char ret[NAMES_SIZE])
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *text = NULL;
	struct threshold_result t = { 0 };
	struct err ignored;

	*ret = '\0';
	if (store_get_document(f->store, d->head.digest, &text, &ignored) < 0 ||
	    envelope_parse(text, strlen(text), &env, &ignored) < 0)
		return;
	threshold_check_role(document_state_get_root(f->state), DOC_ROLE_POLICY,
			     env, &t, &ignored);
	threshold_names(document_state_get_root(f->state), t.signers, ret,
			NAMES_SIZE);
}

/* "mon tue 08:00-18:00; sat 10:00-12:00" */
static void format_rule_windows(const struct doc_rule *rule,
				char ret[WINDOWS_SIZE])
{
	static const char *const days[] = { "mon", "tue", "wed", "thu",
					    "fri", "sat", "sun" };
	size_t n = 0;

	*ret = '\0';
	for (unsigned int i = 0; i < rule->n_windows && n + 64 < WINDOWS_SIZE;
	     i++) {
		const struct doc_window *w = &rule->window[i];

		if (i > 0)
			n += (size_t)sprintf(ret + n, "; ");
		for (unsigned int d = 0; d < ARRAY_SIZE(days); d++)
			if (w->days >> d & 1)
				n += (size_t)sprintf(ret + n, "%s ", days[d]);
		n += (size_t)sprintf(ret + n, "%02u:%02u-%02u:%02u",
				     w->from / 60U, w->from % 60U, w->to / 60U,
				     w->to % 60U);
	}
}

static json_t *build_rule_json(const struct evaluate_facts *f,
			       const struct access_reason *why)
{
	const struct doc_rule *rule = why->rule;
	char names[NAMES_SIZE], windows[WINDOWS_SIZE] = "";
	const char *cls = "*";

	list_policy_signers(f, why->policy, names);
	if (rule && rule->cls != CELLS_CLASS_COUNT)
		cls = class_name(rule->cls);
	if (rule)
		format_rule_windows(rule, windows);
	return json_pack(
		"{ss sI sI ss ss ss? ss ss?}", "policy", why->policy->head.id,
		"version", (json_int_t)why->policy->head.version, "line",
		(json_int_t)(rule ? rule->line : 0), "class", cls, "mode",
		access_mode_name(why->right), "window",
		*windows ? windows : NULL, "signers", names, "reason",
		why->is_unmet ? reason_code(REASON_ENFORCEMENT) : NULL);
}

static json_t *build_rule_list_json(const struct evaluate_facts *f,
				    const struct access_right *right)
{
	json_t *rules = json_array();

	for (unsigned int i = 0; rules && i < right->n_reasons; i++)
		if (json_array_append_new(
			    rules, build_rule_json(f, &right->reason[i])) < 0)
			break;
	return rules;
}

/* RFC 3339, or "" where no window will change it. */
static void format_next_change(const struct evaluate_facts *f,
			       char ret[ENCODING_TIME_SIZE])
{
	const struct document_set *docs = &f->state->in_force;
	int64_t s = access_next_edge(docs->policy, docs->n_policies, &f->at);

	*ret = '\0';
	if (s > 0)
		encoding_format_time(f->at.wall + s, ret);
}

static const char *get_verdict_name(const struct evaluate_facts *f,
				    enum cells_class c, struct cells_right own,
				    bool is_front, struct cells_right front)
{
	if (cells_allowed(own, is_front, front))
		return "allowed";
	if (own.use != CELLS_USE_NONE && class_is_virtual(c) &&
	    f->level != DOC_OPEN)
		return "virtual";
	return "denied";
}

int explain_access(const struct evaluate_facts *f, const char *vp,
		   const char *cls, char **ret, struct err *e)
{
	enum cells_class c = class_from_name(cls);
	auto_free char *front = NULL;
	char until[ENCODING_TIME_SIZE];
	struct access_right own, other = { 0 };
	auto_json json_t *j = NULL;
	struct err ignored;
	bool is_front;

	if (c == CELLS_CLASS_COUNT)
		return err_reason(e, REASON_UNKNOWN_CLASS,
				  "explain: there is no class '%.40s'", cls);
	if (!document_set_find_config(&f->state->in_force, vp))
		return err_reason(e, REASON_NO_SUCH_VP,
				  "explain: there is no VP '%.64s'", vp);
	if (store_lookup_text(f->store, STORE_FRONT, &front, &ignored) < 0)
		front = strdup("");
	if (!front)
		return err_oom(e, "explain");
	is_front = strcmp(front, vp) == 0;
	format_next_change(f, until);
	evaluate_right(&f->state->in_force, f->level, vp, c, &f->at, &own);
	if (*front)
		evaluate_right(&f->state->in_force, f->level, front, c, &f->at,
			       &other);
	j = json_pack("{ss ss ss ss ss ss? ss? so}", "vp", vp, "class", cls,
		      "verdict",
		      get_verdict_name(f, c, own.right, is_front, other.right),
		      "mode", access_mode_name(own.right), "foreground", front,
		      "front_mode",
		      *front ? access_mode_name(other.right) : NULL, "until",
		      *until ? until : NULL, "rules",
		      build_rule_list_json(f, &own));
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "explain");
}

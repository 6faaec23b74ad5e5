/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/access_matrix.h"

#include "lib/auto.h"
#include "lib/display.h"
#include "lib/json.h"

#include <string.h>

#define GAP 3
#define FRONT_MARK " ▸ front"

/* Safe for the terminal whatever it holds. */
static void write_safe_member(FILE *f, const json_t *j, const char *name)
{
	auto_free char *safe = display_escape(json_get_string(j, name));

	fputs(safe && *safe ? safe : "-", f);
}

struct verdict_mark {
	const char *verdict, *mark, *color;
};

/* By verdict; what is not here (denied) has none. */
static const struct verdict_mark marks[] = {
	{ "allowed", " *", "\033[32m" },
	{ "virtual", " ~", "\033[36m" },
	{ "denied", "", "\033[2m" },
};

static const struct verdict_mark *find_verdict_mark(const json_t *cell)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (strcmp(marks[i].verdict,
			   json_get_string(cell, "verdict")) == 0)
			return &marks[i];
	return NULL;
}

static const json_t *find_class_cell(const json_t *vp, const char *class)
{
	const json_t *cell;
	size_t i;

	json_array_foreach (json_object_get(vp, "cells"), i, cell) {
		if (strcmp(json_get_string(cell, "class"), class) == 0)
			return cell;
	}
	return NULL;
}

static char *format_marked_mode(const char *mode, const char *mark)
{
	auto_free char *text = NULL;

	if (asprintf(&text, "%s%s", mode, mark) < 0)
		return NULL;
	return display_escape(text);
}

/* "exclusive *", or "-" where the device has no such hardware. */
static char *format_matrix_cell(const json_t *cell)
{
	const struct verdict_mark *mark = cell ? find_verdict_mark(cell) : NULL;

	return mark ? format_marked_mode(json_get_string(cell, "mode"),
					 mark->mark)
		    : strdup("-");
}

static bool is_class_absent(const json_t *vps, const char *class)
{
	const json_t *vp;
	size_t i;

	json_array_foreach (vps, i, vp) {
		const json_t *cell = find_class_cell(vp, class);

		if (cell &&
		    strcmp(json_get_string(cell, "verdict"), "absent") != 0)
			return false;
	}
	return true;
}

static char *format_vp_title(const json_t *vp, const char *foreground)
{
	auto_free char *title = NULL;
	const char *id = json_get_string(vp, "vp");

	if (asprintf(&title, "%s%s", id,
		     strcmp(id, foreground) == 0 ? FRONT_MARK : "") < 0)
		return NULL;
	return display_escape(title);
}

static unsigned int max_text_width(unsigned int width, const char *s)
{
	unsigned int own = s ? display_width(s) : 0;

	return own > width ? own : width;
}

/* Of one VP's column. */
static unsigned int measure_vp_column(const json_t *vp, const json_t *classes,
				      const char *foreground)
{
	auto_free char *title = format_vp_title(vp, foreground);
	unsigned int width = max_text_width(0, title);
	const json_t *class;
	size_t i;

	json_array_foreach (classes, i, class) {
		auto_free char *text = format_matrix_cell(
			find_class_cell(vp, json_string_value(class)));

		width = max_text_width(width, text);
	}
	return width;
}

static void write_matrix_row(FILE *f, const json_t *vps, const json_t *classes,
			     const char *foreground, const char *class,
			     bool color)
{
	size_t i, n = json_array_size(vps);
	const json_t *vp;

	json_array_foreach (vps, i, vp) {
		const json_t *cell = class ? find_class_cell(vp, class) : NULL;
		const struct verdict_mark *mark =
			cell ? find_verdict_mark(cell) : NULL;
		auto_free char *text = class ? format_matrix_cell(cell)
					     : format_vp_title(vp, foreground);
		unsigned int width = measure_vp_column(vp, classes, foreground);

		fprintf(f, "%*s%s", GAP, "", color && mark ? mark->color : "");
		if (i + 1 < n)
			display_write_padded(f, text ? text : "", width);
		else
			fputs(text ? text : "", f);
		fputs(color && mark ? "\033[0m" : "", f);
	}
	putc('\n', f);
}

static void write_matrix_header(FILE *f, const json_t *m)
{
	const json_t *compliant = json_object_get(m, "compliant");
	const json_t *receipt = json_object_get(m, "receipt");

	fputs("device ", f);
	write_safe_member(f, m, "device");
	fputs(" at ", f);
	write_safe_member(f, m, "at");
	fputs(", enforcement ", f);
	write_safe_member(f, m, "enforcement");
	if (json_is_boolean(compliant))
		fputs(json_is_true(compliant) ? ", compliant"
					      : ", NOT COMPLIANT",
		      f);
	if (json_is_object(receipt))
		fprintf(f, ", by receipt %lld",
			(long long)json_integer_value(
				json_object_get(receipt, "seq")));
	fputs("\n\n", f);
}

static void write_matrix_legend(FILE *f, const json_t *absent)
{
	const json_t *class;
	size_t i;

	fputs("\n*  may use it now      ~  acts on its virtual state      "
	      "-  not on this device\n",
	      f);
	if (json_array_size(absent) == 0)
		return;
	fputs("not on this device: ", f);
	json_array_foreach (absent, i, class)
		fprintf(f, "%s%s", i ? ", " : "", json_string_value(class));
	putc('\n', f);
}

void access_matrix_write(FILE *f, const json_t *matrix, bool color, bool all)
{
	const json_t *vps = json_object_get(matrix, "vps"), *class;
	auto_json json_t *shown = json_array(), *absent = json_array();
	const char *foreground = json_get_string(matrix, "foreground");
	unsigned int width = max_text_width(0, "CLASS");
	size_t i;

	json_array_foreach (json_object_get(matrix, "classes"), i, class) {
		auto_free char *name = display_escape(
			json_string_value(class) ? json_string_value(class)
						 : "");
		bool gone = !all && is_class_absent(vps, name);

		json_array_append_new(gone ? absent : shown, json_string(name));
		if (!gone)
			width = max_text_width(width, name);
	}
	write_matrix_header(f, matrix);
	display_write_padded(f, "CLASS", width);
	write_matrix_row(f, vps, shown, foreground, NULL, color);
	json_array_foreach (shown, i, class) {
		display_write_padded(f, json_string_value(class), width);
		write_matrix_row(f, vps, shown, foreground,
				 json_string_value(class), color);
	}
	write_matrix_legend(f, absent);
}

static void write_policy_rule(FILE *f, const json_t *rule)
{
	const json_t *signers = json_object_get(rule, "signers"), *s;
	size_t i;

	fputs("  ", f);
	write_safe_member(f, rule, "policy");
	fprintf(f, " version %lld, line %lld: ",
		(long long)json_integer_value(json_object_get(rule, "version")),
		(long long)json_integer_value(json_object_get(rule, "line")));
	write_safe_member(f, rule, "class");
	fputs(" is ", f);
	write_safe_member(f, rule, "mode");
	if (strcmp(json_get_string(rule, "window"), "open") == 0 ||
	    strcmp(json_get_string(rule, "window"), "closed") == 0)
		fprintf(f, " (its time window is %s)",
			json_get_string(rule, "window"));
	if (*json_get_string(rule, "reason"))
		fprintf(f,
			", %s: the policy requires more than the device "
			"enforces",
			json_get_string(rule, "reason"));
	if (json_array_size(signers) > 0)
		fputs("; signed by ", f);
	json_array_foreach (signers, i, s) {
		fputs(i ? ", " : "", f);
		write_safe_member(
			f, s, json_object_get(s, "name") ? "name" : "keyid");
	}
	putc('\n', f);
}

void access_matrix_explain(FILE *f, const json_t *x)
{
	const json_t *rules = json_object_get(x, "rules"), *rule;
	const char *foreground = json_get_string(x, "foreground");
	size_t i;

	write_safe_member(f, x, "vp");
	fputs(" on ", f);
	write_safe_member(f, x, "class");
	fputs(": ", f);
	write_safe_member(f, x, "verdict");
	fputs(" (mode ", f);
	write_safe_member(f, x, "mode");
	fputs(")\n", f);
	if (!*foreground)
		fputs("nobody is in front\n", f);
	else if (strcmp(foreground, json_get_string(x, "vp")) == 0)
		fputs("it is in front\n", f);
	else {
		write_safe_member(f, x, "foreground");
		fputs(" is in front, with mode ", f);
		write_safe_member(f, x, "front_mode");
		putc('\n', f);
	}
	if (*json_get_string(x, "until")) {
		fputs("until ", f);
		write_safe_member(f, x, "until");
		putc('\n', f);
	}
	fputs(json_array_size(rules) ? "because of\n" : "no rule names it\n",
	      f);
	json_array_foreach (rules, i, rule)
		write_policy_rule(f, rule);
}

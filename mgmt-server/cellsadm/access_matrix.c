/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/access_matrix.h"

#include "lib/auto.h"
#include "mgmt-server/cellsadm/table.h"

#include <string.h>

#define GAP 3
#define FRONT_MARK " ▸ front"

static const char *string(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "";
}

/* Safe for the terminal whatever it holds. */
static void put(FILE *f, const json_t *j, const char *name)
{
	auto_free char *safe = columns_safe(string(j, name));

	fputs(safe && *safe ? safe : "-", f);
}

struct mark {
	const char *verdict, *mark, *color;
};

/* By verdict; what is not here (denied) has none. */
static const struct mark marks[] = {
	{ "allowed", " *", "\033[32m" },
	{ "virtual", " ~", "\033[36m" },
	{ "denied", "", "\033[2m" },
};

static const struct mark *mark_of(const json_t *cell)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (strcmp(marks[i].verdict, string(cell, "verdict")) == 0)
			return &marks[i];
	return NULL;
}

static const json_t *find_cell(const json_t *vp, const char *class)
{
	const json_t *cell;
	size_t i;

	json_array_foreach (json_object_get(vp, "cells"), i, cell) {
		if (strcmp(string(cell, "class"), class) == 0)
			return cell;
	}
	return NULL;
}

static char *marked(const char *mode, const char *mark)
{
	auto_free char *text = NULL;

	if (asprintf(&text, "%s%s", mode, mark) < 0)
		return NULL;
	return columns_safe(text);
}

/* "exclusive *", or "-" where the device has no such hardware. */
static char *cell_text(const json_t *cell)
{
	const struct mark *mark = cell ? mark_of(cell) : NULL;

	return mark ? marked(string(cell, "mode"), mark->mark) : strdup("-");
}

static bool is_absent(const json_t *vps, const char *class)
{
	const json_t *vp;
	size_t i;

	json_array_foreach (vps, i, vp) {
		const json_t *cell = find_cell(vp, class);

		if (cell && strcmp(string(cell, "verdict"), "absent") != 0)
			return false;
	}
	return true;
}

static char *vp_title(const json_t *vp, const char *front)
{
	auto_free char *title = NULL;
	const char *id = string(vp, "vp");

	if (asprintf(&title, "%s%s", id,
		     strcmp(id, front) == 0 ? FRONT_MARK : "") < 0)
		return NULL;
	return columns_safe(title);
}

static unsigned int wider(unsigned int width, const char *s)
{
	unsigned int own = s ? columns_width(s) : 0;

	return own > width ? own : width;
}

/* Of one VP's column. */
static unsigned int column_width(const json_t *vp, const json_t *classes,
				 const char *front)
{
	auto_free char *title = vp_title(vp, front);
	unsigned int width = wider(0, title);
	const json_t *class;
	size_t i;

	json_array_foreach (classes, i, class) {
		auto_free char *text =
			cell_text(find_cell(vp, json_string_value(class)));

		width = wider(width, text);
	}
	return width;
}

static void write_row(FILE *f, const json_t *vps, const json_t *classes,
		      const char *front, const char *class, bool color)
{
	size_t i, n = json_array_size(vps);
	const json_t *vp;

	json_array_foreach (vps, i, vp) {
		const json_t *cell = class ? find_cell(vp, class) : NULL;
		const struct mark *mark = cell ? mark_of(cell) : NULL;
		auto_free char *text =
			class ? cell_text(cell) : vp_title(vp, front);
		unsigned int width = column_width(vp, classes, front);

		fprintf(f, "%*s%s", GAP, "", color && mark ? mark->color : "");
		if (i + 1 < n)
			columns_pad(f, text ? text : "", width);
		else
			fputs(text ? text : "", f);
		fputs(color && mark ? "\033[0m" : "", f);
	}
	putc('\n', f);
}

static void write_head(FILE *f, const json_t *m)
{
	const json_t *compliant = json_object_get(m, "compliant");
	const json_t *receipt = json_object_get(m, "receipt");

	fputs("device ", f);
	put(f, m, "device");
	fputs(" at ", f);
	put(f, m, "at");
	fputs(", enforcement ", f);
	put(f, m, "enforcement");
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

static void write_legend(FILE *f, const json_t *absent)
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

void matrix_write(FILE *f, const json_t *matrix, bool color, bool all)
{
	const json_t *vps = json_object_get(matrix, "vps"), *class;
	auto_json json_t *shown = json_array(), *absent = json_array();
	const char *front = string(matrix, "foreground");
	unsigned int width = wider(0, "CLASS");
	size_t i;

	json_array_foreach (json_object_get(matrix, "classes"), i, class) {
		auto_free char *name = columns_safe(
			json_string_value(class) ? json_string_value(class)
						 : "");
		bool gone = !all && is_absent(vps, name);

		json_array_append_new(gone ? absent : shown, json_string(name));
		if (!gone)
			width = wider(width, name);
	}
	write_head(f, matrix);
	columns_pad(f, "CLASS", width);
	write_row(f, vps, shown, front, NULL, color);
	json_array_foreach (shown, i, class) {
		columns_pad(f, json_string_value(class), width);
		write_row(f, vps, shown, front, json_string_value(class),
			  color);
	}
	write_legend(f, absent);
}

static void write_rule(FILE *f, const json_t *rule)
{
	const json_t *signers = json_object_get(rule, "signers"), *s;
	size_t i;

	fputs("  ", f);
	put(f, rule, "policy");
	fprintf(f, " version %lld, line %lld: ",
		(long long)json_integer_value(json_object_get(rule, "version")),
		(long long)json_integer_value(json_object_get(rule, "line")));
	put(f, rule, "class");
	fputs(" is ", f);
	put(f, rule, "mode");
	if (strcmp(string(rule, "window"), "open") == 0 ||
	    strcmp(string(rule, "window"), "closed") == 0)
		fprintf(f, " (its time window is %s)", string(rule, "window"));
	if (*string(rule, "reason"))
		fprintf(f,
			", %s: the policy requires more than the device "
			"enforces",
			string(rule, "reason"));
	if (json_array_size(signers) > 0)
		fputs("; signed by ", f);
	json_array_foreach (signers, i, s) {
		fputs(i ? ", " : "", f);
		put(f, s, json_object_get(s, "name") ? "name" : "keyid");
	}
	putc('\n', f);
}

void matrix_explain(FILE *f, const json_t *x)
{
	const json_t *rules = json_object_get(x, "rules"), *rule;
	const char *front = string(x, "foreground");
	size_t i;

	put(f, x, "vp");
	fputs(" on ", f);
	put(f, x, "class");
	fputs(": ", f);
	put(f, x, "verdict");
	fputs(" (mode ", f);
	put(f, x, "mode");
	fputs(")\n", f);
	if (!*front)
		fputs("nobody is in front\n", f);
	else if (strcmp(front, string(x, "vp")) == 0)
		fputs("it is in front\n", f);
	else {
		put(f, x, "foreground");
		fputs(" is in front, with mode ", f);
		put(f, x, "front_mode");
		putc('\n', f);
	}
	if (*string(x, "until")) {
		fputs("until ", f);
		put(f, x, "until");
		putc('\n', f);
	}
	fputs(json_array_size(rules) ? "because of\n" : "no rule names it\n",
	      f);
	json_array_foreach (rules, i, rule)
		write_rule(f, rule);
}

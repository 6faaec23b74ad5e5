/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/verbs/plan.h"

#include "cellsadm/adm.h"
#include "cellsadm/documents/doc_file.h"
#include "cellsadm/remote.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/display.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "lib/opt.h"

#include <errno.h>
#include <string.h>

/* A member's text made safe for the terminal, in a buffer of the caller. */
static const char *format_safe_member(const json_t *j, const char *name,
				      char buffer[128])
{
	const json_t *m = json_object_get(j, name);
	auto_free char *safe = NULL;

	if (json_is_integer(m)) {
		snprintf(buffer, 128, "%lld", (long long)json_integer_value(m));
		return buffer;
	}
	safe = json_is_string(m) ? display_escape(json_string_value(m)) : NULL;
	snprintf(buffer, 128, "%s", safe ? safe : "-");
	return buffer;
}

static unsigned int write_document_changes(FILE *f, const json_t *documents)
{
	char type[128], id[128], before[128], after[128];
	unsigned int changes = 0;
	const json_t *d;
	size_t i;

	json_array_foreach (documents, i, d) {
		if (json_equal(json_object_get(d, "before"),
			       json_object_get(d, "after")))
			continue;
		changes++;
		fprintf(f, "    %s %s: version %s -> %s\n",
			format_safe_member(d, "type", type),
			format_safe_member(d, "id", id),
			format_safe_member(d, "before", before),
			format_safe_member(d, "after", after));
	}
	return changes;
}

static bool is_same_member(const json_t *j, const char *before,
			   const char *after)
{
	return json_equal(json_object_get(j, before),
			  json_object_get(j, after));
}

/* What the device has no hardware for is counted, not shown. */
static bool is_hardware_absent(const json_t *cell)
{
	const char *s =
		json_string_value(json_object_get(cell, "verdict_after"));

	return s && strcmp(s, "absent") == 0 &&
	       is_same_member(cell, "verdict_before", "verdict_after");
}

static unsigned int write_access_changes(FILE *f, const json_t *cells)
{
	char vp[128], class[128], before[128], after[128], from[128], to[128];
	unsigned int changes = 0, absent = 0;
	const json_t *c;
	size_t i;

	json_array_foreach (cells, i, c) {
		bool same =
			is_same_member(c, "verdict_before", "verdict_after");

		if (same && is_same_member(c, "before", "after"))
			continue;
		changes++;
		absent += is_hardware_absent(c);
		if (is_hardware_absent(c))
			continue;
		fprintf(f, "    %-12s %-14s %s -> %s, now %s%s%s%s\n",
			format_safe_member(c, "vp", vp),
			format_safe_member(c, "class", class),
			format_safe_member(c, "before", before),
			format_safe_member(c, "after", after),
			format_safe_member(c, "verdict_before", from),
			same ? "" : " -> ",
			same ? " as before"
			     : format_safe_member(c, "verdict_after", to),
			json_is_true(json_object_get(c, "cuts"))
				? "  CUTS OPEN HANDLES"
				: "");
	}
	if (absent)
		fprintf(f, "    and %u of classes that it lacks\n", absent);
	return changes;
}

bool plan_write(FILE *f, const json_t *plan)
{
	const json_t *d, *devices = json_object_get(plan, "devices");
	char id[128], name[128], group[128], problem[128];
	unsigned int changed = 0;
	size_t i;

	json_array_foreach (devices, i, d) {
		auto_free char *lines = NULL;
		unsigned int changes;
		size_t len;
		FILE *own = open_memstream(&lines, &len);

		if (!own)
			return true;
		changes = write_document_changes(
			own, json_object_get(d, "documents"));
		changes +=
			write_access_changes(own, json_object_get(d, "cells"));
		fclose(own);
		if (json_is_string(json_object_get(d, "problem"))) {
			fprintf(f, "%s (%s, group %s): no change: %s\n",
				format_safe_member(d, "device", id),
				format_safe_member(d, "name", name),
				format_safe_member(d, "group", group),
				format_safe_member(d, "problem", problem));
			continue;
		}
		if (changes == 0)
			continue;
		changed++;
		fprintf(f, "%s (%s, group %s)\n%s",
			format_safe_member(d, "device", id),
			format_safe_member(d, "name", name),
			format_safe_member(d, "group", group), lines);
	}
	fprintf(f, "%u of %zu devices would change\n", changed,
		json_array_size(devices));
	return changed > 0;
}

static int append_plan_file(const char *path, json_t *documents, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_free char *json = NULL;
	json_t *j = NULL;
	int r = doc_file_read(path, &env, &doc, e);

	if (r >= 0)
		r = envelope_text(env, &json, e);
	if (r >= 0)
		r = json_parse(json, strlen(json), path, &j, e);
	if (r < 0)
		return r;
	return json_array_append_new(documents, j) < 0 ? err_oom(e, path) : 0;
}

int plan_show_files(struct adm *a, char **files, struct err *e)
{
	auto_json json_t *documents = json_array(), *body = NULL, *plan = NULL;
	FILE *nowhere;
	bool changes;
	int r = 0;

	for (; r >= 0 && *files; files++)
		r = append_plan_file(*files, documents, e);
	if (r < 0)
		return r;
	body = json_pack("{sO}", "documents", documents);
	if (!body)
		return err_oom(e, "plan");
	r = remote_send(a, "POST", REMOTE_PATH("plan"), body, &plan, e);
	if (r < 0)
		return r;
	if (!a->json)
		return plan_write(stdout, plan) ? EXIT_CHANGES : 0;
	nowhere = fopen("/dev/null", "we");
	changes = nowhere ? plan_write(nowhere, plan) : true;
	if (nowhere)
		fclose(nowhere);
	adm_print_json(plan);
	return changes ? EXIT_CHANGES : 0;
}

static int verb_plan(void *context, const void *opts, char **argv,
		     struct err *e)
{
	struct adm *a = context;
	return plan_show_files(a, argv, e);
}

const struct verb verb_plan_table[] = {
	{ "", "FILE...", 1, 64,
	  "what documents would change; exit 2: something",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_plan },
	{ NULL },
};

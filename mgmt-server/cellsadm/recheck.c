/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/recheck.h"

#include "lib/access.h"
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/clock.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/receipt.h"
#include "lib/text.h"
#include "mgmt-server/cellsadm/adm.h"
#include "mgmt-server/cellsadm/boundkey.h"
#include "mgmt-server/cellsadm/pin.h"
#include "mgmt-server/cellsadm/remote.h"

#include <errno.h>
#include <string.h>

#define POLICIES_MAX 64

/* What receipts and policies say of a device at a time. */
struct evidence {
	struct boundkey key;
	struct receipt applied, switched;
	bool has_switched;
	unsigned int n;
	struct doc *doc[POLICIES_MAX];
	const struct doc_device_policy *policy[POLICIES_MAX];
	const char *front; /* "" for nobody */
	enum doc_level level;
	uint32_t lacking; /* a bit for each class */
	struct access_time at;
};

static void evidence_fini(struct evidence *v)
{
	boundkey_fini(&v->key);
	receipt_fini(&v->applied);
	receipt_fini(&v->switched);
	for (unsigned int i = 0; i < v->n; i++)
		doc_free(v->doc[i]);
}

/* The newest receipt of that kind up to `at`: 1 found, 0 none. */
static int newest(struct adm *a, const char *device, const char *kind,
		  const char *at, struct evidence *v, struct receipt *ret,
		  struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_json json_t *items = NULL;
	const json_t *item;
	char filter[128];
	int r;

	snprintf(filter, sizeof(filter), "%s%s%s%s", kind,
		 at ? " and time le \"" : "", at ? at : "", at ? "\"" : "");
	r = remote_list(a,
			REMOTE_PATH("devices", device, "receipts", "?",
				    "filter", filter, "order", "desc"),
			1, &items, e);
	item = r < 0 ? NULL : json_array_get(items, 0);
	if (!item)
		return r;
	r = pin_envelope(json_object_get(item, "envelope"), &env, e);
	if (r >= 0 && !v->key.key)
		r = boundkey_of(
			a, device,
			json_string_value(json_object_get(item, "epoch")),
			&v->key, e);
	if (r >= 0)
		r = receipt_open(env, v->key.key, ret, e);
	if (r < 0)
		return r;
	if (strcmp(ret->device, device) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "a receipt of %s stands for %s", ret->device,
				  device);
	return 1;
}

/* The policies that the applied receipt names, each verified by the root. */
static int take_policies(struct adm *a, struct evidence *v, struct err *e)
{
	const json_t *d;
	size_t i;

	json_array_foreach (json_object_get(v->applied.details, "documents"), i,
			    d) {
		AUTO(envelope_freep) struct envelope *env = NULL;
		const char *type =
			json_string_value(json_object_get(d, "type"));
		const char *sha256 =
			json_string_value(json_object_get(d, "sha256"));
		int r;

		if (!type || !sha256 || strcmp(type, "device-policy") != 0)
			continue;
		if (v->n == POLICIES_MAX)
			return err_set(e, E2BIG, "more than %d policies",
				       POLICIES_MAX);
		r = pin_fetch(a, sha256, &env, &v->doc[v->n], NULL, e);
		if (r < 0)
			return r;
		v->policy[v->n] = doc_as_device_policy(v->doc[v->n]);
		v->n++;
	}
	return 0;
}

static void take_details(struct evidence *v)
{
	const json_t *j;
	size_t i;

	json_array_foreach (json_object_get(v->applied.details, "lacking"), i,
			    j) {
		const char *name = json_string_value(j);
		enum cells_class c =
			name ? class_from_name(name) : CELLS_CLASS_COUNT;

		if (c < CELLS_CLASS_COUNT)
			v->lacking |= UINT32_C(1) << c;
	}
	for (enum doc_level l = DOC_OPEN; l <= DOC_MAPPED; l++)
		if (v->applied.enforcement &&
		    strcmp(doc_level_name(l), v->applied.enforcement) == 0)
			v->level = l;
	v->front =
		json_string_value(json_object_get(v->switched.details, "to"));
	if (!v->front)
		v->front = "";
}

static struct cells_right right_of(const struct evidence *v, const char *vp,
				   enum cells_class cls)
{
	struct access_right right;

	/* A policy whose <require> is not met gives nothing at all. */
	for (unsigned int i = 0; i < v->n; i++)
		if (v->policy[i]->require > v->level)
			return (struct cells_right){ 0, 0 };
	access_right_of(v->policy, v->n, vp, cls, &v->at, &right);
	return right.right;
}

static const char *verdict_of(const struct evidence *v, const char *vp,
			      enum cells_class cls)
{
	struct cells_right own = right_of(v, vp, cls), front = { 0, 0 };
	bool is_front = *v->front && strcmp(v->front, vp) == 0;

	if (*v->front)
		front = right_of(v, v->front, cls);
	if (v->lacking >> cls & 1)
		return "absent";
	if (cells_allowed(own, is_front, front))
		return "allowed";
	return own.use != CELLS_USE_NONE && class_is_virtual(cls) &&
			       v->level != DOC_OPEN
		       ? "virtual"
		       : "denied";
}

static const char *word(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "";
}

static int compare(const struct evidence *v, const json_t *matrix,
		   struct err *e)
{
	const json_t *vp, *cell;
	size_t i, k;

	json_array_foreach (json_object_get(matrix, "vps"), i, vp) {
		const char *id = word(vp, "vp");

		json_array_foreach (json_object_get(vp, "cells"), k, cell) {
			const char *name = word(cell, "class");
			enum cells_class cls = class_from_name(name);
			const char *mode, *verdict;

			if (cls == CELLS_CLASS_COUNT)
				continue;
			mode = access_mode_name(right_of(v, id, cls));
			verdict = verdict_of(v, id, cls);
			if (strcmp(mode, word(cell, "mode")) == 0 &&
			    strcmp(verdict, word(cell, "verdict")) == 0)
				continue;
			return err_reason(
				e, REASON_SIGNATURE,
				"the server says %s has %s on %s, "
				"%s; receipts and policies say %s, %s",
				id, word(cell, "mode"), name,
				word(cell, "verdict"), mode, verdict);
		}
	}
	return 0;
}

static int say(const struct evidence *v, char **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_oom(e, "verify the matrix");
	fprintf(f, "verified here: by receipt%s %lld",
		v->has_switched ? "s" : "", (long long)v->applied.seq);
	if (v->has_switched)
		fprintf(f, " and %lld", (long long)v->switched.seq);
	fprintf(f, " (key: %s)", boundkey_word(&v->key));
	for (unsigned int i = 0; i < v->n; i++)
		fprintf(f, "%s%s version %u", i ? ", " : ", policy ",
			v->policy[i]->head.id, v->policy[i]->head.version);
	if (fclose(f) != 0)
		return err_oom(e, "verify the matrix");
	*ret = steal(text);
	return 0;
}

int recheck_matrix(struct adm *a, const json_t *matrix, const char *at,
		   char **ret_text, struct err *e)
{
	AUTO(evidence_fini) struct evidence v = { .level = DOC_OPEN };
	const char *device = word(matrix, "device");
	int64_t when = clock_wall();
	int r;

	text_untime(word(matrix, "at"), &when);
	access_time_local(when, true, &v.at);
	r = newest(a, device, "describes eq true", at, &v, &v.applied, e);
	if (r == 0)
		return err_set(e, ENOENT, "no applied receipt of %s", device);
	if (r > 0)
		r = newest(a, device, "type eq switched", at, &v, &v.switched,
			   e);
	v.has_switched = r > 0;
	if (r >= 0)
		r = take_policies(a, &v, e);
	if (r < 0)
		return r;
	take_details(&v);
	r = compare(&v, matrix, e);
	/* The device's own local time opens windows; ours may be another. */
	if (r < 0 && access_next_edge(v.policy, v.n, &v.at) > 0)
		return err_set(e, EAGAIN,
			       "a policy has time windows, which the device's "
			       "local time decides");
	return r < 0 ? r : say(&v, ret_text, e);
}

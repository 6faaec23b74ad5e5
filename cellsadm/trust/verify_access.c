/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/verify_access.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/device_key.h"
#include "cellsadm/trust/trust_root.h"
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/clock.h"
#include "lib/document/access.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

#define POLICIES_MAX 64
/* Policies of a fleet. */
#define CACHED_MAX 1024

/* What receipts and policies say of a device at a time. */
struct access_facts {
	struct device_key key;
	struct receipt applied, switched;
	bool has_switched;
	unsigned int n;
	const struct doc_device_policy *policy[POLICIES_MAX];
	const char *foreground; /* "" for nobody */
	enum doc_level level;
	uint32_t lacking; /* a bit for each class */
	struct access_time at;
};

struct verify_access {
	struct adm *adm;
	struct access_facts v; /* of `device` */
	char device[DOC_ID_SIZE];
	unsigned int n;
	struct {
		char sha256[ENCODING_DIGEST_SIZE];
		struct doc *doc;
	} cached[CACHED_MAX];
};

static void access_facts_fini(struct access_facts *v)
{
	device_key_fini(&v->key);
	receipt_fini(&v->applied);
	receipt_fini(&v->switched);
	*v = (struct access_facts){ .foreground = "" };
}

int verify_access_new(struct adm *a, struct verify_access **ret, struct err *e)
{
	struct verify_access *c = calloc(1, sizeof(*c));

	if (!c)
		return err_oom(e, "verify access");
	c->adm = a;
	*ret = c;
	return 0;
}

void verify_access_free(struct verify_access *c)
{
	if (!c)
		return;
	access_facts_fini(&c->v);
	for (unsigned int i = 0; i < c->n; i++)
		doc_free(c->cached[i].doc);
	free(c);
}

/* The newest receipt of that kind in the epoch up to `at`: 1 found, 0 none. */
static int fetch_newest_receipt(struct verify_access *c, const char *epoch,
				const char *kind, const char *at,
				struct receipt *ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_json json_t *items = NULL;
	const json_t *item;
	char filter[192];
	int r;

	snprintf(filter, sizeof(filter), "epoch eq %s and %s%s%s%s", epoch,
		 kind, at ? " and time le \"" : "", at ? at : "",
		 at ? "\"" : "");
	r = remote_list(c->adm,
			REMOTE_PATH("devices", c->device, "receipts", "?",
				    "filter", filter, "order", "desc"),
			1, &items, e);
	item = r < 0 ? NULL : json_array_get(items, 0);
	if (!item)
		return r;
	r = envelope_from_json(json_object_get(item, "envelope"), &env, e);
	if (r >= 0 && !c->v.key.key)
		r = device_key_get(c->adm, c->device, epoch, &c->v.key, e);
	if (r >= 0)
		r = receipt_open(env, c->v.key.key, ret, e);
	if (r < 0)
		return r;
	if (strcmp(ret->device, c->device) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "a receipt of %s is given for %s",
				  ret->device, c->device);
	return 1;
}

/* Many devices are under the same policies: each is fetched once. */
static int fetch_policy_once(struct verify_access *c, const char *sha256,
			     const struct doc **ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	unsigned int i = 0;
	int r;

	while (i < c->n && strcmp(c->cached[i].sha256, sha256) != 0)
		i++;
	if (i == c->n) {
		if (c->n == CACHED_MAX)
			return err_set(e, E2BIG, "more than %d policies",
				       CACHED_MAX);
		r = trust_root_fetch_document(c->adm, sha256, &env,
					      &c->cached[i].doc, NULL, e);
		if (r < 0)
			return r;
		snprintf(c->cached[i].sha256, ENCODING_DIGEST_SIZE, "%s",
			 sha256);
		c->n++;
	}
	*ret = c->cached[i].doc;
	return 0;
}

/* The policies that the applied receipt names, each verified by the root. */
static int load_applied_policies(struct verify_access *c, struct err *e)
{
	struct access_facts *v = &c->v;
	const json_t *d;
	size_t i;

	json_array_foreach (json_object_get(v->applied.details, "documents"), i,
			    d) {
		const char *type =
			json_string_value(json_object_get(d, "type"));
		const char *sha256 =
			json_string_value(json_object_get(d, "sha256"));
		const struct doc *doc;
		int r;

		if (!type || !sha256 || strcmp(type, "device-policy") != 0)
			continue;
		if (v->n == POLICIES_MAX)
			return err_set(e, E2BIG, "more than %d policies",
				       POLICIES_MAX);
		r = fetch_policy_once(c, sha256, &doc, e);
		if (r < 0)
			return r;
		if (doc->head.type != DOC_DEVICE_POLICY)
			return err_reason(e, REASON_SIGNATURE,
					  "%s is not a device policy", sha256);
		v->policy[v->n++] = doc_as_device_policy(doc);
	}
	return 0;
}

static void read_receipt_details(struct access_facts *v)
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
	if (v->applied.enforcement)
		doc_level_from_name(v->applied.enforcement, &v->level);
	v->foreground =
		json_string_value(json_object_get(v->switched.details, "to"));
	if (!v->foreground)
		v->foreground = "";
}

static struct cells_right get_vp_right(const struct access_facts *v,
				       const char *vp, enum cells_class cls)
{
	struct access_right right;

	access_right_of(v->policy, v->n, vp, cls, &v->at, v->level, &right);
	return right.right;
}

static const char *get_access_verdict(const struct access_facts *v,
				      const char *vp, enum cells_class cls)
{
	struct cells_right own = get_vp_right(v, vp, cls),
			   foreground = { 0, 0 };
	bool is_front = *v->foreground && strcmp(v->foreground, vp) == 0;

	if (*v->foreground)
		foreground = get_vp_right(v, v->foreground, cls);
	if (v->lacking >> cls & 1)
		return "absent";
	if (cells_allowed(own, is_front, foreground))
		return "allowed";
	return own.use != CELLS_USE_NONE && class_is_virtual(cls) &&
			       v->level != DOC_OPEN
		       ? "virtual"
		       : "denied";
}

/* One cell as the server gives it. */
static int compare_access_cell(const struct access_facts *v, const char *vp,
			       const json_t *cell, struct err *e)
{
	const char *name = json_get_string(cell, "class");
	enum cells_class cls = class_from_name(name);
	const char *mode, *verdict;

	if (cls == CELLS_CLASS_COUNT)
		return err_reason(e, REASON_UNKNOWN_CLASS,
				  "the server names a class '%.40s'", name);
	mode = access_mode_name(get_vp_right(v, vp, cls));
	verdict = get_access_verdict(v, vp, cls);
	if (strcmp(mode, json_get_string(cell, "mode")) == 0 &&
	    strcmp(verdict, json_get_string(cell, "verdict")) == 0)
		return 0;
	/* The device's own local time opens windows; ours may be another. */
	if (access_next_edge(v->policy, v->n, &v->at) > 0)
		return err_set(e, EAGAIN,
			       "a policy has time windows, which the device's "
			       "local time decides");
	return err_reason(e, REASON_SIGNATURE,
			  "the server says %.64s has %s on %s, %s; receipts and"
			  " policies say %s, %s",
			  vp, json_get_string(cell, "mode"), name,
			  json_get_string(cell, "verdict"), mode, verdict);
}

/* Does the set in force have a config of that VP? */
static bool has_applied_vp(const struct access_facts *v, const char *vp)
{
	const json_t *d;
	size_t i;

	json_array_foreach (json_object_get(v->applied.details, "documents"), i,
			    d)
		if (strcmp(json_get_string(d, "type"), "vp-config") == 0 &&
		    strcmp(json_get_string(d, "id"), vp) == 0)
			return true;
	return false;
}

static bool has_matrix_vp(const json_t *matrix, const char *vp)
{
	const json_t *row;
	size_t i;

	json_array_foreach (json_object_get(matrix, "vps"), i, row)
		if (strcmp(json_get_string(row, "vp"), vp) == 0)
			return true;
	return false;
}

/* The VPs are those of the receipt: none is left out, none put in. */
static int compare_vp_lists(const struct access_facts *v, const json_t *matrix,
			    struct err *e)
{
	const json_t *d, *row;
	size_t i;

	json_array_foreach (json_object_get(matrix, "vps"), i, row)
		if (!has_applied_vp(v, json_get_string(row, "vp")))
			return err_reason(e, REASON_SIGNATURE,
					  "the server shows a VP %.64s that the"
					  " receipt does not name",
					  json_get_string(row, "vp"));
	json_array_foreach (json_object_get(v->applied.details, "documents"), i,
			    d)
		if (strcmp(json_get_string(d, "type"), "vp-config") == 0 &&
		    !has_matrix_vp(matrix, json_get_string(d, "id")))
			return err_reason(e, REASON_SIGNATURE,
					  "the server leaves VP %.64s out",
					  json_get_string(d, "id"));
	return 0;
}

static int compare_device_state(const struct access_facts *v,
				const json_t *answer, struct err *e)
{
	if (strcmp(json_get_string(answer, "foreground"), v->foreground) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "the server says '%.64s' is in front, the "
				  "receipt says '%.64s'",
				  json_get_string(answer, "foreground"),
				  v->foreground);
	if (strcmp(json_get_string(answer, "enforcement"),
		   doc_level_name(v->level)) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "the server says the level is '%.40s', the "
				  "receipt says '%s'",
				  json_get_string(answer, "enforcement"),
				  doc_level_name(v->level));
	return 0;
}

static int compare_access_matrix(const struct access_facts *v,
				 const json_t *matrix, struct err *e)
{
	const json_t *vp, *cell;
	size_t i, k;
	int r = compare_device_state(v, matrix, e);

	if (r == 0)
		r = compare_vp_lists(v, matrix, e);
	json_array_foreach (json_object_get(matrix, "vps"), i, vp)
		json_array_foreach (json_object_get(vp, "cells"), k, cell)
			if (r == 0)
				r = compare_access_cell(
					v, json_get_string(vp, "vp"), cell, e);
	return r;
}

static int format_verified_text(const struct access_facts *v, char **ret,
				struct err *e)
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
	fprintf(f, " of %s (key: %s)", v->applied.time,
		device_key_trust_name(&v->key));
	for (unsigned int i = 0; i < v->n; i++)
		fprintf(f, "%s%s version %u", i ? ", " : ", policy ",
			v->policy[i]->head.id, v->policy[i]->head.version);
	if (fclose(f) != 0)
		return err_oom(e, "verify the matrix");
	*ret = steal(text);
	return 0;
}

int verify_access_load(struct verify_access *c, const char *device,
		       const json_t *answer, const char *at, struct err *e)
{
	struct access_facts *v = &c->v;
	const char *epoch =
		json_get_string(json_object_get(answer, "receipt"), "epoch");
	int64_t when = clock_wall();
	int r;

	access_facts_fini(v);
	c->device[0] = '\0';
	if (!*epoch)
		return err_set(e, ENOENT,
			       "no receipt says yet what is in force on %s",
			       device);
	if (strlen(device) >= sizeof(c->device) || !encoding_is_valid_id(epoch))
		return err_set(e, EBADMSG, "%.64s, epoch %.40s: not ids",
			       device, epoch);
	encoding_parse_time(at ? at : json_get_string(answer, "at"), &when);
	access_time_local(when, true, &v->at);
	snprintf(c->device, sizeof(c->device), "%s", device);
	r = fetch_newest_receipt(c, epoch, "describes eq true", at, &v->applied,
				 e);
	if (r == 0)
		return err_set(e, ENOENT,
			       "the server has no receipt of what is in force "
			       "on %s",
			       device);
	if (r > 0 && !receipt_describes(&v->applied))
		return err_reason(e, REASON_SIGNATURE,
				  "receipt %lld of %s says nothing of what is "
				  "in force",
				  (long long)v->applied.seq, device);
	if (r > 0)
		r = fetch_newest_receipt(c, epoch, "type eq switched", at,
					 &v->switched, e);
	if (r > 0 && v->switched.type != RECEIPT_SWITCHED)
		return err_reason(e, REASON_SIGNATURE,
				  "receipt %lld of %s is not of a switch",
				  (long long)v->switched.seq, device);
	v->has_switched = r > 0;
	if (r >= 0)
		r = load_applied_policies(c, e);
	if (r >= 0)
		read_receipt_details(v);
	return r < 0 ? r : 0;
}

const struct receipt *verify_access_get_receipt(const struct verify_access *c)
{
	return &c->v.applied;
}

int verify_access_check_row(struct verify_access *c, const json_t *row,
			    struct err *e)
{
	const char *vp = json_get_string(row, "vp");
	int r = compare_device_state(&c->v, row, e);

	if (r == 0 && !has_applied_vp(&c->v, vp))
		r = err_reason(e, REASON_SIGNATURE,
			       "the receipt names no VP %.64s", vp);
	if (r == 0)
		r = compare_access_cell(&c->v, vp, row, e);
	return r;
}

int verify_access_check_matrix(struct adm *a, const char *device,
			       const json_t *matrix, const char *at,
			       char **ret_text, struct err *e)
{
	AUTO(verify_access_freep) struct verify_access *c = NULL;
	int r = verify_access_new(a, &c, e);

	if (r == 0)
		r = verify_access_load(c, device, matrix, at, e);
	if (r < 0)
		return r;
	if (strcmp(json_get_string(matrix, "device"), device) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "the server shows the matrix of %.64s for %s",
				  json_get_string(matrix, "device"), device);
	r = compare_access_matrix(&c->v, matrix, e);
	return r < 0 ? r : format_verified_text(&c->v, ret_text, e);
}

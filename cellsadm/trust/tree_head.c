/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/tree_head.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/state.h"
#include "cellsadm/trust/trust_root.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/merkle.h"
#include "lib/document/envelope.h"
#include "lib/document/threshold.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

int tree_head_open(const struct doc_root *root, const struct envelope *env,
		   struct tree_head *ret, struct err *e)
{
	const char *org, *digest, *time;
	int64_t size, format;
	const struct json_member members[] = {
		{ "format", JSON_INTEGER, false, &format },
		{ "org", JSON_STRING, false, &org },
		{ "root", JSON_STRING, false, &digest },
		{ "size", JSON_INTEGER, false, &size },
		{ "time", JSON_STRING, false, &time },
		{ NULL },
	};
	auto_json json_t *j = NULL;
	int r;

	if (strcmp(env->type, ENVELOPE_TYPE_JSON("tree-head")) != 0)
		return err_reason(e, REASON_ENVELOPE,
				  "payloadType %s is not that of a tree head",
				  env->type);
	r = threshold_check_role(root, DOC_ROLE_DIRECTOR, env, NULL, e);
	if (r >= 0)
		r = json_parse(env->payload, env->payload_len, "tree head", &j,
			       e);
	if (r >= 0)
		r = json_read_object(j, members, true, "tree head", e);
	if (r < 0)
		return r;
	if (strcmp(org, root->head.org) != 0)
		return err_reason(e, REASON_WRONG_ORG,
				  "the tree head is of '%s'", org);
	if (format != 1 || size < 0 ||
	    encoding_parse_digest(digest, ret->root) < 0 ||
	    encoding_parse_time(time, &ret->time) < 0)
		return err_set(e, EBADMSG, "tree head: bad form");
	ret->size = (uint64_t)size;
	return 0;
}

int tree_head_parse_path(const json_t *list, uint8_t ret[][HASH_SIZE],
			 unsigned int *ret_n, struct err *e)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > MERKLE_PATH_MAX)
		return err_set(e, EBADMSG, "a proof's path is not a list");
	json_array_foreach (list, i, item) {
		const char *hex = json_string_value(item);

		if (!hex || encoding_from_hex(hex, ret[i], HASH_SIZE) < 0)
			return err_set(e, EBADMSG, "a proof's path: not hex");
	}
	*ret_n = (unsigned int)json_array_size(list);
	return 0;
}

static int fetch_tree_head(struct adm *a, const struct doc_root *root,
			   json_t **ret, struct tree_head *ret_head,
			   struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_json json_t *j = NULL;
	int r = remote_get(a, REMOTE_PATH("audit", "head"), &j, e);

	if (r >= 0)
		r = envelope_from_json(j, &env, e);
	if (r >= 0)
		r = tree_head_open(root, env, ret_head, e);
	if (r < 0)
		return r;
	*ret = steal(j);
	return 0;
}

/* ---- what was seen here */
static int format_head_name(struct adm *a, char **ret, struct err *e)
{
	const struct admin_config *c;
	int r = adm_get_server(a, &c, e);

	if (r < 0)
		return r;
	return asprintf(ret, "heads/%s.json", c->name) < 0 ? err_oom(e, c->name)
							   : 0;
}

/* It was verified when it was kept; its director may have changed. */
int tree_head_load(struct adm *a, struct tree_head *ret, struct err *e)
{
	struct tree_head h = { 0 };
	auto_free char *name = NULL;
	auto_json json_t *j = NULL;
	const char *digest;
	int r = format_head_name(a, &name, e);

	if (r == 0)
		r = state_load(a, name, &j, e);
	if (r < 0 && r != -ENOENT)
		return r;
	digest = json_string_value(json_object_get(j, "root"));
	if (r == 0 && (!digest || encoding_parse_digest(digest, h.root) < 0))
		return err_set(e, EBADMSG, "the kept tree head is damaged");
	h.size = (uint64_t)json_integer_value(json_object_get(j, "size"));
	*ret = h;
	return 0;
}

/* `accepted`, of a restore, is added to those that are kept already. */
static int save_head_and_restores(struct adm *a, const struct tree_head *h,
				  json_t *envelope, json_t *accepted,
				  struct err *e)
{
	char digest[ENCODING_DIGEST_SIZE];
	auto_free char *name = NULL;
	auto_json json_t *old = NULL, *j = NULL, *list = NULL;
	int r = format_head_name(a, &name, e);

	if (r == 0)
		r = state_load(a, name, &old, e);
	if (r < 0 && r != -ENOENT)
		return r;
	list = json_deep_copy(json_object_get(old, "accepted"));
	if (!list)
		list = json_array();
	encoding_format_digest(h->root, digest);
	j = json_pack("{ss sI sO}", "root", digest, "size", (json_int_t)h->size,
		      "head", envelope);
	if (!j || (accepted && json_array_append(list, accepted) < 0) ||
	    (json_array_size(list) > 0 &&
	     json_object_set(j, "accepted", list) < 0))
		return err_oom(e, name);
	return state_save(a, name, j, e);
}

int tree_head_save(struct adm *a, const struct tree_head *h, json_t *envelope,
		   struct err *e)
{
	return save_head_and_restores(a, h, envelope, NULL, e);
}

#define WHAT_NOW                                                               \
	"a backup that was restored, or somebody's change: 'cellsadm audit "   \
	"accept-restore' takes it"

int tree_head_report_shrunk(struct err *e, const struct tree_head *kept,
			    const struct tree_head *now)
{
	return err_reason(e, REASON_ROLLBACK,
			  "the audit has %llu entries, %llu were seen "
			  "here: " WHAT_NOW,
			  (unsigned long long)now->size,
			  (unsigned long long)kept->size);
}

int tree_head_report_forked(struct err *e, const struct tree_head *kept)
{
	return err_reason(e, REASON_EQUIVOCATION,
			  "the audit does not continue the %llu entries that "
			  "were seen here: " WHAT_NOW,
			  (unsigned long long)kept->size);
}

static int verify_tree_consistency(struct adm *a, const struct tree_head *first,
				   const struct tree_head *second,
				   struct err *e)
{
	uint8_t path[MERKLE_PATH_MAX][HASH_SIZE];
	char from[24], to[24];
	auto_json json_t *j = NULL;
	unsigned int n;
	int r;

	if (second->size < first->size)
		return tree_head_report_shrunk(e, first, second);
	if (second->size == first->size)
		return memcmp(second->root, first->root, HASH_SIZE) == 0
			       ? 0
			       : tree_head_report_forked(e, first);
	snprintf(from, sizeof(from), "%llu", (unsigned long long)first->size);
	snprintf(to, sizeof(to), "%llu", (unsigned long long)second->size);
	r = remote_get(a,
		       REMOTE_PATH("audit", "consistency", "?", "first", from,
				   "second", to),
		       &j, e);
	if (r >= 0)
		r = tree_head_parse_path(json_object_get(j, "path"), path, &n,
					 e);
	if (r < 0)
		return r;
	if (!merkle_check_consistency(first->size, first->root, second->size,
				      second->root,
				      (const uint8_t(*)[HASH_SIZE])path, n))
		return tree_head_report_forked(e, first);
	return 0;
}

int tree_head_advance(struct adm *a, struct tree_head *ret,
		      struct tree_head *ret_before, struct err *e)
{
	const struct doc_root *root;
	auto_json json_t *envelope = NULL;
	int r = trust_root_get(a, true, &root, e);

	if (r >= 0)
		r = fetch_tree_head(a, root, &envelope, ret, e);
	if (r >= 0)
		r = tree_head_load(a, ret_before, e);
	if (r >= 0 && ret_before->size > 0)
		r = verify_tree_consistency(a, ret_before, ret, e);
	return r < 0 ? r : save_head_and_restores(a, ret, envelope, NULL, e);
}

/* ---- a history that is another one, accepted */
static json_t *format_mark_json(const struct tree_head_mark *m)
{
	char digest[ENCODING_DIGEST_SIZE];

	encoding_format_digest(m->digest, digest);
	return json_pack("{sI ss}", "size", (json_int_t)m->size, "root",
			 digest);
}

int tree_head_record_restore(struct adm *a, const char *device,
			     const char *reason,
			     const struct tree_head_mark *seen,
			     const struct tree_head_mark *now, struct err *e)
{
	auto_json json_t *body =
		json_pack("{ss so so ss*}", "reason", reason, "before",
			  format_mark_json(seen), "after",
			  format_mark_json(now), "device", device);

	if (!body)
		return err_oom(e, "accept a restore");
	return remote_send(a, "POST", REMOTE_PATH("audit", "restored"), body,
			   NULL, e);
}

/* What is kept beside the new head, for who asks later. */
static json_t *format_acceptance_json(const struct tree_head *kept,
				      const char *reason)
{
	char time[ENCODING_TIME_SIZE];
	const struct tree_head_mark m = { kept->size, kept->root };

	encoding_format_time(clock_wall(), time);
	return json_pack("{ss so ss}", "reason", reason, "seen",
			 format_mark_json(&m), "time", time);
}

static int accept_restored_tree(struct adm *a, const struct doc_root *root,
				const struct tree_head *kept,
				const struct tree_head *h, const char *reason,
				struct err *e)
{
	auto_json json_t *envelope = NULL, *accepted = NULL;
	struct tree_head newest;
	int r = tree_head_record_restore(
		a, NULL, reason,
		&(struct tree_head_mark){ kept->size, kept->root },
		&(struct tree_head_mark){ h->size, h->root }, e);

	if (r >= 0)
		r = fetch_tree_head(a, root, &envelope, &newest, e);
	if (r >= 0)
		r = verify_tree_consistency(a, h, &newest, e);
	if (r < 0)
		return r;
	if (newest.size == h->size)
		return err_set(e, EBADMSG,
			       "the server did not write the acceptance down");
	accepted = format_acceptance_json(kept, reason);
	return accepted ? save_head_and_restores(a, &newest, envelope, accepted,
						 e)
			: err_oom(e, "accept a restore");
}

int tree_head_accept(struct adm *a, const char *reason, struct err *e)
{
	auto_json json_t *envelope = NULL;
	const struct doc_root *root;
	struct tree_head h, kept;
	char question[256];
	int r = trust_root_get(a, true, &root, e);

	if (r >= 0)
		r = fetch_tree_head(a, root, &envelope, &h, e);
	if (r >= 0)
		r = tree_head_load(a, &kept, e);
	if (r < 0)
		return r;
	r = kept.size > 0 ? verify_tree_consistency(a, &kept, &h, e) : 0;
	if (r == 0)
		return err_set(e, EINVAL,
			       "nothing to accept: the audit continues the "
			       "%llu entries that were seen here",
			       (unsigned long long)kept.size);
	if (e->reason != REASON_ROLLBACK && e->reason != REASON_EQUIVOCATION)
		return r;
	snprintf(question, sizeof(question),
		 "%llu entries of the audit were seen here, and now %llu are "
		 "there which do not continue them. Accept them",
		 (unsigned long long)kept.size, (unsigned long long)h.size);
	r = adm_confirm(a, question, e);
	return r < 0 ? r : accept_restored_tree(a, root, &kept, &h, reason, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/treehead.h"

#include "lib/auto.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/merkle.h"
#include "lib/text.h"
#include "lib/trust.h"
#include "mgmt-server/cellsadm/adm.h"
#include "mgmt-server/cellsadm/keep.h"
#include "mgmt-server/cellsadm/pin.h"
#include "mgmt-server/cellsadm/remote.h"

#include <errno.h>
#include <string.h>

int treehead_open(const struct doc_root *root, const struct envelope *env,
		  struct treehead *ret, struct err *e)
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
				  "payloadType %s is no tree head's",
				  env->type);
	r = trust_check_role(root, DOC_ROLE_DIRECTOR, env, NULL, e);
	if (r >= 0)
		r = json_parse(env->payload, env->payload_len, "tree head", &j,
			       e);
	if (r >= 0)
		r = json_take(j, members, true, "tree head", e);
	if (r < 0)
		return r;
	if (strcmp(org, root->head.org) != 0)
		return err_reason(e, REASON_WRONG_ORG,
				  "the tree head is of '%s'", org);
	if (format != 1 || size < 0 || text_undigest(digest, ret->root) < 0 ||
	    text_untime(time, &ret->time) < 0)
		return err_set(e, EBADMSG, "tree head: bad form");
	ret->size = (uint64_t)size;
	return 0;
}

int treehead_path(const json_t *list, uint8_t ret[][HASH_SIZE],
		  unsigned int *ret_n, struct err *e)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > MERKLE_PATH_MAX)
		return err_set(e, EBADMSG, "a proof's path is no list");
	json_array_foreach (list, i, item) {
		const char *hex = json_string_value(item);

		if (!hex || text_unhex(hex, ret[i], HASH_SIZE) < 0)
			return err_set(e, EBADMSG, "a proof's path: not hex");
	}
	*ret_n = (unsigned int)json_array_size(list);
	return 0;
}

static int ask_head(struct adm *a, const struct doc_root *root, json_t **ret,
		    struct treehead *ret_head, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_json json_t *j = NULL;
	int r = remote_get(a, REMOTE_PATH("audit", "head"), &j, e);

	if (r >= 0)
		r = pin_envelope(j, &env, e);
	if (r >= 0)
		r = treehead_open(root, env, ret_head, e);
	if (r < 0)
		return r;
	*ret = steal(j);
	return 0;
}

/* The kept head was verified when it was kept; its director may have changed.
 */
static int kept_head(const struct adm *a, const char *name,
		     struct treehead *ret, struct err *e)
{
	auto_json json_t *j = NULL;
	const char *digest;
	int r = keep_get(a, name, &j, e);

	*ret = (struct treehead){ 0 };
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	digest = json_string_value(json_object_get(j, "root"));
	if (!digest || text_undigest(digest, ret->root) < 0)
		return err_set(e, EBADMSG, "the kept tree head is damaged");
	ret->size = (uint64_t)json_integer_value(json_object_get(j, "size"));
	return 0;
}

static int put_head(const struct adm *a, const char *name,
		    const struct treehead *h, json_t *envelope, struct err *e)
{
	char digest[TEXT_DIGEST_SIZE];
	auto_json json_t *j = NULL;

	text_digest(h->root, digest);
	j = json_pack("{ss sI sO}", "root", digest, "size", (json_int_t)h->size,
		      "head", envelope);
	return j ? keep_put(a, name, j, e) : err_oom(e, name);
}

static int demand_consistency(struct adm *a, const struct treehead *first,
			      const struct treehead *second, struct err *e)
{
	uint8_t path[MERKLE_PATH_MAX][HASH_SIZE];
	char from[24], to[24];
	auto_json json_t *j = NULL;
	unsigned int n;
	int r;

	if (second->size < first->size)
		return err_reason(e, REASON_ROLLBACK,
				  "the audit has %llu entries, it had %llu",
				  (unsigned long long)second->size,
				  (unsigned long long)first->size);
	if (second->size == first->size &&
	    memcmp(second->root, first->root, HASH_SIZE) == 0)
		return 0;
	snprintf(from, sizeof(from), "%llu", (unsigned long long)first->size);
	snprintf(to, sizeof(to), "%llu", (unsigned long long)second->size);
	r = remote_get(a,
		       REMOTE_PATH("audit", "consistency", "?", "first", from,
				   "second", to),
		       &j, e);
	if (r >= 0)
		r = treehead_path(json_object_get(j, "path"), path, &n, e);
	if (r < 0)
		return r;
	if (!merkle_check_consistency(first->size, first->root, second->size,
				      second->root,
				      (const uint8_t(*)[HASH_SIZE])path, n))
		return err_reason(e, REASON_EQUIVOCATION,
				  "the audit of %s entries is not a "
				  "continuation of the one of %s entries that "
				  "was seen here",
				  to, from);
	return 0;
}

int treehead_advance(struct adm *a, struct treehead *ret,
		     struct treehead *ret_before, struct err *e)
{
	const struct adminconf *c;
	const struct doc_root *root;
	auto_json json_t *envelope = NULL;
	auto_free char *name = NULL;
	int r = adm_server(a, &c, e);

	if (r >= 0)
		r = pin_root(a, true, &root, e);
	if (r < 0)
		return r;
	if (asprintf(&name, "heads/%s.json", c->name) < 0)
		return err_oom(e, c->name);
	r = ask_head(a, root, &envelope, ret, e);
	if (r >= 0)
		r = kept_head(a, name, ret_before, e);
	if (r >= 0 && ret_before->size > 0)
		r = demand_consistency(a, ret_before, ret, e);
	return r < 0 ? r : put_head(a, name, ret, envelope, e);
}

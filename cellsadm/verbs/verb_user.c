/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/list.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/keyring.h"
#include "cellsadm/ui/prompt.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>

struct user_opts {
	const char *role, *ttl, *out;
	struct opt_list groups;
};

static const struct table_column user_columns[] = {
	{ "NAME", "name" },	  { "ROLE", "role" }, { "GROUPS", "groups" },
	{ "CREATED", "created" }, { NULL },
};
static const struct table_column token_columns[] = {
	{ "ID", "id" },	    { "NAME", "name" },	    { "USER", "user" },
	{ "ROLE", "role" }, { "GROUPS", "groups" }, { "EXPIRES", "expires" },
	{ NULL },
};

static json_t *build_group_list(const struct opt_list *l)
{
	json_t *j = json_array();

	for (unsigned int i = 0; i < l->n; i++)
		json_array_append_new(j, json_string(l->item[i]));
	return j;
}

static int verb_user_list(void *context, const void *opts, char **argv,
			  struct err *e)
{
	struct adm *a = context;
	return list_print_items(a, REMOTE_PATH("users"), 0, user_columns, e);
}

static int verb_token_list(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	return list_print_items(a, REMOTE_PATH("tokens"), 0, token_columns, e);
}

static int verb_user_create(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	const struct user_opts *o = opts;
	AUTO(prompt_freep) char *password = NULL;
	auto_json json_t *body = NULL, *answer = NULL;
	char what[120];
	int r;

	if (!o->role)
		return err_usage(e, "user create: --role is missing");
	snprintf(what, sizeof(what), "user '%s'", argv[0]);
	r = keyring_get_new_password(a, what, &password, e);
	if (r < 0)
		return r;
	body = json_pack("{ss ss ss so}", "name", argv[0], "password", password,
			 "role", o->role, "groups",
			 build_group_list(&o->groups));
	if (!body)
		return err_oom(e, argv[0]);
	r = remote_send(a, "POST", REMOTE_PATH("users"), body, &answer, e);
	return r < 0 ? r : adm_print_object(a, user_columns, answer, e);
}

static int confirm_and_delete(struct adm *a, const char *resource,
			      const char *id, struct err *e)
{
	char question[160];
	int r;

	snprintf(question, sizeof(question), "End '%s' of %s", id, resource);
	r = adm_confirm(a, question, e);
	return r < 0 ? r
		     : remote_send(a, "DELETE", REMOTE_PATH(resource, id), NULL,
				   NULL, e);
}

static int verb_user_revoke(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	return confirm_and_delete(a, "users", argv[0], e);
}

static int verb_token_revoke(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	return confirm_and_delete(a, "tokens", argv[0], e);
}

/* The token goes to stdout or a file (mode 0600), and nowhere else. */
static int verb_token_create(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	const struct user_opts *o = opts;
	auto_json json_t *body = NULL, *answer = NULL;
	const char *token;
	uint64_t ttl = 0;
	int r = 0;

	if (!o->role)
		return err_usage(e, "token create: --role is missing");
	if (o->ttl)
		r = adm_parse_duration(o->ttl, &ttl, e);
	if (r < 0)
		return r;
	body = json_pack("{ss ss so}", "name", argv[0], "role", o->role,
			 "groups", build_group_list(&o->groups));
	if (!body)
		return err_oom(e, argv[0]);
	if (ttl)
		json_object_set_new(body, "ttl", json_integer((json_int_t)ttl));
	r = remote_send(a, "POST", REMOTE_PATH("tokens"), body, &answer, e);
	if (r < 0)
		return r;
	token = json_string_value(json_object_get(answer, "token"));
	if (!token)
		return err_set(e, EBADMSG, "the server gave no token");
	if (o->out)
		return adm_write_secret(o->out, token, e);
	if (a->json)
		adm_print_json(answer);
	else
		puts(token);
	return 0;
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct user_opts, member, name, letter, kind, arg, help)

static const struct opt user_opts_table[] = {
	OPT(role, "role", 'r', OPT_STRING, "ROLE",
	    "viewer, auditor, operator, policy-admin, image-admin or admin"),
	OPT(groups, "group", 'g', OPT_LIST, "GROUP", "sees no other; all"),
	{ NULL },
};
static const struct opt token_opts[] = {
	OPT(role, "role", 'r', OPT_STRING, "ROLE",
	    "viewer, auditor, operator, policy-admin, image-admin or admin"),
	OPT(groups, "group", 'g', OPT_LIST, "GROUP", "sees no other; all"),
	OPT(ttl, "ttl", 0, OPT_STRING, "TIME", "expires after 8h, 90d; 90d"),
	OPT(out, "out", 'o', OPT_STRING, "FILE", "instead of the terminal"),
	{ NULL },
};

const struct verb verb_user_table[] = {
	{ "list", "", 0, 0, "local accounts of the server",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_user_list },
	{ "create", "NAME", 1, 1, "make a local account",
	  VERB_SERVER | VERB_FORMAT | VERB_PASSWORD, user_opts_table,
	  sizeof(struct user_opts), verb_user_create },
	{ "revoke", "NAME", 1, 1, "end an account and its tokens",
	  VERB_SERVER | VERB_YES, NULL, 0, verb_user_revoke },
	{ NULL },
};

const struct verb verb_token_table[] = {
	{ "list", "", 0, 0, "tokens, without their secrets",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_token_list },
	{ "create", "NAME", 1, 1, "make a token; it is shown once",
	  VERB_SERVER | VERB_FORMAT, token_opts, sizeof(struct user_opts),
	  verb_token_create },
	{ "revoke", "ID", 1, 1, "end a token at once", VERB_SERVER | VERB_YES,
	  NULL, 0, verb_token_revoke },
	{ NULL },
};

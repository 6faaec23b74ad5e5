/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/documents/doc_file.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/trust_root.h"
#include "cellsadm/ui/prompt.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/document/trust.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/table.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define PEM_MAX (64 * 1024)
#define TOKEN_MAX 4096

struct server_opts {
	const char *host, *ca, *token, *token_file, *root, *user;
	uint64_t port;
	bool make_default;
};

static int replace_string(char **old, const char *new, struct err *e)
{
	char *copy;

	if (!new)
		return 0;
	copy = strdup(new);
	if (!copy)
		return err_oom(e, new);
	free(*old);
	*old = copy;
	return 0;
}

static int read_token_file(const char *path, char **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = io_read_file(path, TOKEN_MAX, &text, &len, e);

	if (r < 0)
		return r;
	text[strcspn(text, "\r\n")] = '\0';
	return replace_string(ret, text, e);
}

/* --root is a digest, or the first root's file, which is then kept. */
static int set_pinned_root(struct adm *a, struct admin_config *c,
			   const char *root, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL, *pinned = NULL;
	uint8_t digest[HASH_SIZE];
	int r = 0;

	if (!root)
		return 0;
	if (encoding_parse_digest(root, digest) < 0) {
		r = doc_file_read(root, &env, &doc, e);
		if (r >= 0 && doc->head.type != DOC_ROOT)
			return err_set(e, EINVAL, "%s: no root document", root);
		if (r >= 0)
			r = trust_open_pinned_root(env, env->digest, &pinned,
						   e);
		if (r < 0)
			return r;
		memcpy(digest, env->digest, HASH_SIZE);
	}
	if (!c->has_root || memcmp(c->root, digest, HASH_SIZE) != 0)
		r = trust_root_remove(a, c->name, e);
	else
		return 0;
	c->has_root = true;
	memcpy(c->root, digest, HASH_SIZE);
	return r < 0 || !env ? r : trust_root_save_first(a, c->name, env, e);
}

static int verb_server_add(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	const struct server_opts *o = opts;
	AUTO(admin_config_fini) struct admin_config c = { 0 };
	auto_free char *pem = NULL;
	struct err ignored;
	size_t len;
	int r;

	/* What is configured already stays as far as it is not given again. */
	if (admin_config_read(a->folder, argv[0], &c, &ignored) < 0) {
		c.name = strdup(argv[0]);
		c.port = ADMIN_CONFIG_PORT;
	}
	if (o->port > 65535)
		return err_usage(e, "--port: above 65535");
	if (o->port)
		c.port = (uint16_t)o->port;
	r = c.name ? replace_string(&c.host, o->host, e) : err_oom(e, "add");
	if (r >= 0 && o->ca)
		r = io_read_file(o->ca, PEM_MAX, &pem, &len, e);
	if (r >= 0)
		r = replace_string(&c.ca_pem, pem, e);
	if (r >= 0)
		r = replace_string(&c.token, o->token, e);
	if (r >= 0 && o->token_file)
		r = read_token_file(o->token_file, &c.token, e);
	if (r < 0)
		return r;
	if (!c.host || !c.ca_pem)
		return err_usage(e, "server '%s': --host and --ca are needed",
				 argv[0]);
	r = set_pinned_root(a, &c, o->root, e);
	return r < 0 ? r
		     : admin_config_write(a->folder, &c, o->make_default, e);
}

static int append_server_row(const struct adm *a, const char *name,
			     const char *preferred, json_t *rows, struct err *e)
{
	AUTO(admin_config_fini) struct admin_config c = { 0 };
	char digest[ENCODING_DIGEST_SIZE] = "";
	int r = admin_config_read(a->folder, name, &c, e);

	if (r < 0)
		return r;
	if (c.has_root)
		encoding_format_digest(c.root, digest);
	json_array_append_new(
		rows, json_pack("{ss ss si sb ss sb}", "name", name, "host",
				c.host, "port", (int)c.port, "token",
				c.token != NULL, "root", digest, "default",
				preferred && strcmp(preferred, name) == 0));
	return 0;
}

static int verb_server_list(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	static const struct table_column columns[] = { { "NAME", "name" },
						       { "HOST", "host" },
						       { "PORT", "port" },
						       { "TOKEN", "token" },
						       { "DEFAULT", "default" },
						       { "ROOT", "root",
							 TABLE_DIGEST },
						       { NULL } };
	auto_free char *folder = io_join(a->folder, "servers");
	auto_closedir DIR *d = folder ? opendir(folder) : NULL;
	auto_json json_t *rows = json_array();
	const struct admin_config *preferred = adm_get_server_or_null(a);
	struct dirent *entry;
	int r = 0;

	while (r >= 0 && d && (entry = readdir(d))) {
		char *dot = strrchr(entry->d_name, '.');

		if (!dot || strcmp(dot, ".conf") != 0)
			continue;
		*dot = '\0';
		r = append_server_row(a, entry->d_name,
				      preferred ? preferred->name : NULL, rows,
				      e);
	}
	return r < 0 ? r : adm_print_rows(a, columns, rows, e);
}

static int verb_server_show(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	static const struct table_column columns[] = {
		{ "ORG", "org" },	    { "VERSION", "version" },
		{ "TIME", "time" },	    { "DIRECTOR", "director.keyid" },
		{ "CA", "ca_sha256" },	    { "DEVICE PORT", "device_port" },
		{ "ROOT", "root.version" }, { NULL }
	};
	auto_json json_t *j = NULL;
	int r = remote_get(a, REMOTE_PATH("server"), &j, e);

	return r < 0 ? r : adm_print_object(a, columns, j, e);
}

/* A token for a local account, kept as the server's. */
static int verb_server_login(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	const struct server_opts *o = opts;
	AUTO(prompt_freep) char *password = NULL;
	auto_json json_t *body = NULL, *answer = NULL;
	const struct admin_config *c;
	const char *token;
	char what[200];
	int r = adm_get_server(a, &c, e);

	if (r < 0)
		return r;
	if (!o->user)
		return err_usage(e, "server login: --user is missing");
	snprintf(what, sizeof(what), "'%s' at %s", o->user, c->name);
	if (a->password_files.n > 0)
		r = prompt_read_file(a->password_files.item[0], false,
				     &password, e);
	else if (a->password_stdin)
		r = prompt_read_file("-", false, &password, e);
	else
		r = prompt_password(what, false, &password, e);
	if (r < 0)
		return r;
	body = json_pack("{ss ss}", "user", o->user, "password", password);
	if (!body)
		return err_oom(e, "log in");
	r = remote_send(a, "POST", REMOTE_PATH("login"), body, &answer, e);
	if (r < 0)
		return r;
	token = json_string_value(json_object_get(answer, "token"));
	if (!token)
		return err_set(e, EBADMSG, "the server gave no token");
	r = replace_string(&a->server.token, token, e);
	return r < 0 ? r : admin_config_write(a->folder, &a->server, false, e);
}

static int verb_version(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct adm *a = context;
	auto_json json_t *j = json_pack("{ss}", "cellsadm", VERSION);
	auto_json json_t *server = NULL;
	struct err ignored;

	if (adm_get_server_or_null(a) &&
	    remote_get(a, REMOTE_PATH("server"), &server, &ignored) == 0)
		json_object_set(j, "server",
				json_object_get(server, "version"));
	if (a->json) {
		adm_print_json(j);
		return 0;
	}
	printf("cellsadm %s\n", VERSION);
	if (json_object_get(j, "server"))
		printf("server   %s\n",
		       json_string_value(json_object_get(j, "server")));
	return 0;
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct server_opts, member, name, letter, kind, arg, help)

static const struct opt add_opts[] = {
	OPT(host, "host", 0, OPT_STRING, "NAME", "its name or address"),
	OPT(port, "port", 'p', OPT_NUMBER, "N", "of administrators; 8443"),
	OPT(ca, "ca", 0, OPT_STRING, "FILE", "CA certificate (PEM)"),
	OPT(token, "token", 0, OPT_STRING, "TOKEN", "yours at the server"),
	OPT(token_file, "token-file", 0, OPT_STRING, "FILE",
	    "its first line is the token"),
	OPT(root, "root", 0, OPT_STRING, "FILE",
	    "the first root's envelope, or sha256:HEX of the root"),
	OPT(make_default, "default", 0, OPT_FLAG, NULL,
	    "where --server is not given"),
	{ NULL },
};
static const struct opt login_opts[] = {
	OPT(user, "user", 'u', OPT_STRING, "NAME", "local account"),
	{ NULL },
};

const struct verb verb_server_table[] = {
	{ "add", "NAME", 1, 1, "name a server, or change one", 0, add_opts,
	  sizeof(struct server_opts), verb_server_add },
	{ "list", "", 0, 0, "servers in the configuration", VERB_FORMAT, NULL,
	  0, verb_server_list },
	{ "show", "", 0, 0, "what the server says of itself",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_server_show },
	{ "login", "", 0, 0, "get a token by name and password",
	  VERB_SERVER | VERB_PASSWORD, login_opts, sizeof(struct server_opts),
	  verb_server_login },
	{ NULL },
};

const struct verb verb_version_table[] = {
	{ "", "", 0, 0, "versions of cellsadm and of the server",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_version },
	{ NULL },
};

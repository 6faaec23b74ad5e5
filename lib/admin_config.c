/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/admin_config.h"

#include "lib/auto.h"
#include "lib/config.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PEM_MAX (64 * 1024)
#define TOKEN_MAX 4096

/* What a servers/NAME.conf says, before the files it names are read. */
struct server_settings {
	char *host, *ca, *token, *token_file, *root;
	uint64_t port;
};

static void server_settings_fini(struct server_settings *w)
{
	free(w->host);
	free(w->ca);
	free(w->token);
	free(w->token_file);
	free(w->root);
}

void admin_config_fini(struct admin_config *c)
{
	free(c->name);
	free(c->host);
	free(c->ca_pem);
	if (c->token)
		explicit_bzero(c->token, strlen(c->token));
	free(c->token);
	memset(c, 0, sizeof(*c));
}

int admin_config_folder(char **ret, struct err *e)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path;
	int n;

	if (base && *base)
		n = asprintf(&path, "%s/cells", base);
	else if (home && *home)
		n = asprintf(&path, "%s/.config/cells", home);
	else
		return err_set(e, ENOENT,
			       "find the configuration: HOME is not set");
	if (n < 0)
		return err_oom(e, "find the configuration");
	*ret = path;
	return 0;
}

/* The folder given, or else the user's; the caller frees *ret. */
static int resolve_config_folder(const char *folder, char **ret, struct err *e)
{
	if (!folder)
		return admin_config_folder(ret, e);
	*ret = strdup(folder);
	return *ret ? 0 : err_oom(e, folder);
}

static int read_default_server(const char *folder, char **ret, struct err *e)
{
	auto_free char *path = io_join(folder, "admin.conf");
	auto_free char *name = NULL;
	const struct config_key keys[] = {
		{ "default", CONFIG_STRING, &name },
		{ NULL },
	};
	int r;

	if (!path)
		return err_oom(e, folder);
	r = config_read(path, false, keys, e);
	if (r < 0)
		return r;
	if (!name)
		return err_set(e, ENOENT, "%s names no default server", path);
	*ret = steal(name);
	return 0;
}

/* Reads a text file named relative to servers/, without its last newlines. */
static int read_referenced_file(const char *folder, const char *path,
				size_t max, char **ret, struct err *e)
{
	auto_free char *full = NULL, *text = NULL;
	size_t len;
	int r;

	if (*path == '/' ? !(full = strdup(path))
			 : asprintf(&full, "%s/servers/%s", folder, path) < 0)
		return err_oom(e, path);
	r = io_read_file(full, max, &text, &len, e);
	if (r < 0)
		return r;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		text[--len] = '\0';
	if (len == 0 || strlen(text) != len)
		return err_set(e, EINVAL, "%s: not a text", full);
	*ret = steal(text);
	return 0;
}

static int apply_server_settings(const char *folder, const char *path,
				 struct server_settings *w,
				 struct admin_config *ret, struct err *e)
{
	int r;

	if (!w->host || !*w->host)
		return err_set(e, EINVAL, "%s: host is missing", path);
	if (!w->ca)
		return err_set(e, EINVAL, "%s: ca is missing", path);
	if (w->token && w->token_file)
		return err_set(e, EINVAL,
			       "%s: token and token-file exclude each other",
			       path);
	if (w->root && encoding_parse_digest(w->root, ret->root) < 0)
		return err_set(e, EINVAL, "%s: root is not sha256:<hex>", path);
	ret->has_root = w->root;
	ret->port = (uint16_t)w->port;
	ret->host = steal(w->host);
	ret->token = steal(w->token);
	r = read_referenced_file(folder, w->ca, PEM_MAX, &ret->ca_pem, e);
	if (r < 0 || !w->token_file)
		return r;
	return read_referenced_file(folder, w->token_file, TOKEN_MAX,
				    &ret->token, e);
}

int admin_config_read(const char *folder, const char *name,
		      struct admin_config *ret, struct err *e)
{
	AUTO(server_settings_fini)
	struct server_settings w = { .port = ADMIN_CONFIG_PORT };
	AUTO(admin_config_fini) struct admin_config c = { 0 };
	auto_free char *own = NULL, *path = NULL;
	const struct config_key keys[] = {
		{ "host", CONFIG_STRING, &w.host },
		{ "port", CONFIG_NUMBER, &w.port, 1, 65535 },
		{ "ca", CONFIG_STRING, &w.ca },
		{ "token", CONFIG_STRING, &w.token },
		{ "token-file", CONFIG_STRING, &w.token_file },
		{ "root", CONFIG_STRING, &w.root },
		{ NULL },
	};
	int r;

	r = resolve_config_folder(folder, &own, e);
	if (r == 0 && name)
		r = (c.name = strdup(name)) ? 0 : err_oom(e, name);
	else if (r == 0)
		r = read_default_server(own, &c.name, e);
	if (r < 0)
		return r;
	if (!encoding_is_valid_id(c.name))
		return err_set(e, EINVAL, "'%s' is not a name of a server",
			       c.name);
	if (asprintf(&path, "%s/servers/%s.conf", own, c.name) < 0)
		return err_oom(e, c.name);
	r = config_read(path, true, keys, e);
	if (r == 0)
		r = apply_server_settings(own, path, &w, &c, e);
	if (r < 0)
		return r;
	*ret = c;
	memset(&c, 0, sizeof(c));
	return 0;
}

static int write_server_file(const char *folder, const char *name,
			     const char *end, const char *text, struct err *e)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/servers/%s%s", folder, name, end) < 0)
		return err_oom(e, name);
	return io_replace_file(path, text, strlen(text), 0600, e);
}

static int write_server_config(const char *folder, const struct admin_config *c,
			       struct err *e)
{
	char root[ENCODING_DIGEST_SIZE] = "";
	auto_free char *text = NULL;
	int r;

	if (c->has_root)
		encoding_format_digest(c->root, root);
	if (asprintf(&text, "host = %s\nport = %u\nca = %s.pem\n%s%s%s%s%s%s",
		     c->host, c->port, c->name, c->token ? "token-file = " : "",
		     c->token ? c->name : "", c->token ? ".token\n" : "",
		     c->has_root ? "root = " : "", root,
		     c->has_root ? "\n" : "") < 0)
		return err_oom(e, c->name);
	r = write_server_file(folder, c->name, ".pem", c->ca_pem, e);
	if (r == 0 && c->token)
		r = write_server_file(folder, c->name, ".token", c->token, e);
	if (r == 0)
		r = write_server_file(folder, c->name, ".conf", text, e);
	return r;
}

int admin_config_write(const char *folder, const struct admin_config *c,
		       bool make_default, struct err *e)
{
	auto_free char *own = NULL, *servers = NULL, *admin = NULL;
	auto_free char *text = NULL, *old = NULL;
	int r;

	if (!encoding_is_valid_id(c->name))
		return err_set(e, EINVAL, "'%s' is not a name of a server",
			       c->name);
	if (strpbrk(c->host, "\r\n") || (c->token && strpbrk(c->token, "\r\n")))
		return err_set(e, EINVAL, "server '%s': a line break in it",
			       c->name);
	r = resolve_config_folder(folder, &own, e);
	if (r < 0)
		return r;
	servers = io_join(own, "servers");
	admin = io_join(own, "admin.conf");
	if (!servers || !admin ||
	    asprintf(&text, "default = %s\n", c->name) < 0)
		return err_oom(e, c->name);
	r = io_mkdirs(servers, 0700, e);
	if (r == 0)
		r = write_server_config(own, c, e);
	if (r < 0)
		return r;
	r = make_default ? -ENOENT : read_default_server(own, &old, e);
	return r == -ENOENT
		       ? io_replace_file(admin, text, strlen(text), 0600, e)
		       : r;
}

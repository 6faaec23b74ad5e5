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
struct words {
	char *host, *ca, *token, *token_file, *root;
	uint64_t port;
};

static void words_fini(struct words *w)
{
	free(w->host);
	free(w->ca);
	free(w->token);
	free(w->token_file);
	free(w->root);
}

void adminconf_fini(struct adminconf *c)
{
	free(c->name);
	free(c->host);
	free(c->ca_pem);
	if (c->token)
		explicit_bzero(c->token, strlen(c->token));
	free(c->token);
	memset(c, 0, sizeof(*c));
}

int adminconf_folder(char **ret, struct err *e)
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
static int folder_or_own(const char *folder, char **ret, struct err *e)
{
	if (!folder)
		return adminconf_folder(ret, e);
	*ret = strdup(folder);
	return *ret ? 0 : err_oom(e, folder);
}

static int read_default(const char *folder, char **ret, struct err *e)
{
	auto_free char *path = io_join(folder, "admin.conf");
	auto_free char *name = NULL;
	const struct conf_key keys[] = {
		{ "default", CONF_STRING, &name },
		{ NULL },
	};
	int r;

	if (!path)
		return err_oom(e, folder);
	r = conf_read(path, false, keys, e);
	if (r < 0)
		return r;
	if (!name)
		return err_set(e, ENOENT, "%s names no default server", path);
	*ret = steal(name);
	return 0;
}

/* Reads a text file named relative to servers/, without its last newlines. */
static int read_beside(const char *folder, const char *path, size_t max,
		       char **ret, struct err *e)
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

static int take_words(const char *folder, const char *path, struct words *w,
		      struct adminconf *ret, struct err *e)
{
	int r;

	if (!w->host || !*w->host)
		return err_set(e, EINVAL, "%s: host is missing", path);
	if (!w->ca)
		return err_set(e, EINVAL, "%s: ca is missing", path);
	if (w->token && w->token_file)
		return err_set(e, EINVAL, "%s: token and token-file stand both",
			       path);
	if (w->root && text_undigest(w->root, ret->root) < 0)
		return err_set(e, EINVAL, "%s: root is no sha256:<hex>", path);
	ret->has_root = w->root;
	ret->port = (uint16_t)w->port;
	ret->host = steal(w->host);
	ret->token = steal(w->token);
	r = read_beside(folder, w->ca, PEM_MAX, &ret->ca_pem, e);
	if (r < 0 || !w->token_file)
		return r;
	return read_beside(folder, w->token_file, TOKEN_MAX, &ret->token, e);
}

int adminconf_read(const char *folder, const char *name, struct adminconf *ret,
		   struct err *e)
{
	AUTO(words_fini) struct words w = { .port = ADMINCONF_PORT };
	AUTO(adminconf_fini) struct adminconf c = { 0 };
	auto_free char *own = NULL, *path = NULL;
	const struct conf_key keys[] = {
		{ "host", CONF_STRING, &w.host },
		{ "port", CONF_NUMBER, &w.port, 1, 65535 },
		{ "ca", CONF_STRING, &w.ca },
		{ "token", CONF_STRING, &w.token },
		{ "token-file", CONF_STRING, &w.token_file },
		{ "root", CONF_STRING, &w.root },
		{ NULL },
	};
	int r;

	r = folder_or_own(folder, &own, e);
	if (r == 0 && name)
		r = (c.name = strdup(name)) ? 0 : err_oom(e, name);
	else if (r == 0)
		r = read_default(own, &c.name, e);
	if (r < 0)
		return r;
	if (!text_is_id(c.name))
		return err_set(e, EINVAL, "'%s' is no name of a server",
			       c.name);
	if (asprintf(&path, "%s/servers/%s.conf", own, c.name) < 0)
		return err_oom(e, c.name);
	r = conf_read(path, true, keys, e);
	if (r == 0)
		r = take_words(own, path, &w, &c, e);
	if (r < 0)
		return r;
	*ret = c;
	memset(&c, 0, sizeof(c));
	return 0;
}

static int write_beside(const char *folder, const char *name, const char *end,
			const char *text, struct err *e)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/servers/%s%s", folder, name, end) < 0)
		return err_oom(e, name);
	return io_replace_file(path, text, strlen(text), 0600, e);
}

static int write_server(const char *folder, const struct adminconf *c,
			struct err *e)
{
	char root[TEXT_DIGEST_SIZE] = "";
	auto_free char *text = NULL;
	int r;

	if (c->has_root)
		text_digest(c->root, root);
	if (asprintf(&text, "host = %s\nport = %u\nca = %s.pem\n%s%s%s%s%s%s",
		     c->host, c->port, c->name, c->token ? "token-file = " : "",
		     c->token ? c->name : "", c->token ? ".token\n" : "",
		     c->has_root ? "root = " : "", root,
		     c->has_root ? "\n" : "") < 0)
		return err_oom(e, c->name);
	r = write_beside(folder, c->name, ".pem", c->ca_pem, e);
	if (r == 0 && c->token)
		r = write_beside(folder, c->name, ".token", c->token, e);
	if (r == 0)
		r = write_beside(folder, c->name, ".conf", text, e);
	return r;
}

int adminconf_write(const char *folder, const struct adminconf *c,
		    bool make_default, struct err *e)
{
	auto_free char *own = NULL, *servers = NULL, *admin = NULL;
	auto_free char *text = NULL, *old = NULL;
	int r;

	if (!text_is_id(c->name))
		return err_set(e, EINVAL, "'%s' is no name of a server",
			       c->name);
	if (strpbrk(c->host, "\r\n") || (c->token && strpbrk(c->token, "\r\n")))
		return err_set(e, EINVAL, "server '%s': a line break in it",
			       c->name);
	r = folder_or_own(folder, &own, e);
	if (r < 0)
		return r;
	servers = io_join(own, "servers");
	admin = io_join(own, "admin.conf");
	if (!servers || !admin ||
	    asprintf(&text, "default = %s\n", c->name) < 0)
		return err_oom(e, c->name);
	r = io_mkdirs(servers, 0700, e);
	if (r == 0)
		r = write_server(own, c, e);
	if (r < 0)
		return r;
	r = make_default ? -ENOENT : read_default(own, &old, e);
	return r == -ENOENT
		       ? io_replace_file(admin, text, strlen(text), 0600, e)
		       : r;
}

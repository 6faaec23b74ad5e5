/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/keyring.h"

#include "cellsadm/adm.h"
#include "cellsadm/ui/prompt.h"
#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define KEY_FILE_MAX (64 * 1024)

int keyring_resolve_path(const struct adm *a, const char *name, char **ret,
			 struct err *e)
{
	char *path = NULL;

	if (encoding_is_valid_id(name) &&
	    asprintf(&path, "%s/keys/%s.key", a->folder, name) < 0)
		return err_oom(e, name);
	/* A kept key comes before a file of that name in this folder. */
	if (path && (access(path, F_OK) == 0 || access(name, F_OK) < 0)) {
		*ret = path;
		return 0;
	}
	free(path);
	*ret = strdup(name);
	return *ret ? 0 : err_oom(e, name);
}

static int read_key_file(const struct adm *a, const char *name, char **ret_path,
			 char **ret_text, size_t *ret_len, struct err *e)
{
	int r = keyring_resolve_path(a, name, ret_path, e);

	if (r < 0)
		return r;
	return io_read_file(*ret_path, KEY_FILE_MAX, ret_text, ret_len, e);
}

static int set_empty_name(char **ret_name, struct err *e)
{
	if (!ret_name)
		return 0;
	*ret_name = strdup("");
	return *ret_name ? 0 : err_oom(e, "read a key");
}

int keyring_load_public(const struct adm *a, const char *name, struct key **ret,
			char **ret_name, struct err *e)
{
	auto_free char *path = NULL, *text = NULL;
	size_t len;
	int r = read_key_file(a, name, &path, &text, &len, e);

	if (r < 0)
		return r;
	if (strstr(text, "-----BEGIN")) {
		r = key_from_pem(text, ret, e);
		return r < 0 ? r : set_empty_name(ret_name, e);
	}
	return key_file_decrypt(text, len, NULL, ret, ret_name, e);
}

/*
 * --password-file may be given once for all keys, or once for each. Without it
 * and without --password-stdin the terminal is asked.
 */
static int get_key_password(const struct adm *a, const char *what,
			    unsigned int i, char **ret, struct err *e)
{
	const struct opt_list *files = &a->password_files;

	if (files->n > 0)
		return prompt_read_file(
			files->item[i < files->n ? i : files->n - 1], false,
			ret, e);
	if (a->password_stdin)
		return prompt_read_file("-", false, ret, e);
	return prompt_password(what, false, ret, e);
}

int keyring_load_private(const struct adm *a, const char *name, unsigned int i,
			 struct key **ret, char **ret_name, struct err *e)
{
	AUTO(prompt_freep) char *password = NULL, *text = NULL;
	auto_free char *path = NULL;
	size_t len;
	int r = read_key_file(a, name, &path, &text, &len, e);

	if (r < 0)
		return r;
	if (strstr(text, "-----BEGIN"))
		return err_set(e, EINVAL,
			       "%s: a PEM key is not sealed: take it over with "
			       "cellsadm key import",
			       path);
	r = get_key_password(a, path, i, &password, e);
	if (r < 0)
		return r;
	r = key_file_decrypt(text, len, password, ret, ret_name, e);
	if (r == -EACCES)
		return err_set(e, EACCES, "open %s: wrong password", path);
	return r;
}

int keyring_open(const struct adm *a, struct keyring *ret, struct err *e)
{
	AUTO(keyring_fini) struct keyring ring = { 0 };

	if (a->keys.n == 0)
		return err_usage(e, "no key to sign with: use --key");
	if (a->keys.n > KEYRING_KEYS_MAX)
		return err_usage(e, "more than %d keys", KEYRING_KEYS_MAX);
	if (a->keys.n > 1 && a->password_stdin)
		return err_usage(e, "--password-stdin is for one key; use a "
				    "--password-file for each");
	for (unsigned int i = 0; i < a->keys.n; i++) {
		int r = keyring_load_private(a, a->keys.item[i], i,
					     &ring.key[i], &ring.name[i], e);

		if (r < 0)
			return r;
		ring.n++;
	}
	*ret = ring;
	ring.n = 0;
	return 0;
}

void keyring_fini(struct keyring *r)
{
	for (unsigned int i = 0; i < r->n; i++) {
		key_free(r->key[i]);
		free(r->name[i]);
	}
	r->n = 0;
}

int keyring_sign_envelope(const struct keyring *r, struct envelope *env,
			  struct err *e)
{
	for (unsigned int i = 0; i < r->n; i++) {
		int ret = envelope_sign(env, r->key[i], e);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int keyring_get_new_password(const struct adm *a, const char *what, char **ret,
			     struct err *e)
{
	if (a->password_files.n > 0)
		return prompt_read_file(a->password_files.item[0], true, ret,
					e);
	if (a->password_stdin)
		return prompt_read_file("-", true, ret, e);
	return prompt_password(what, true, ret, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "mgmt-server/cellsadm/adm.h"
#include "mgmt-server/cellsadm/keyring.h"
#include "mgmt-server/cellsadm/prompt.h"
#include "mgmt-server/cellsadm/table.h"
#include "mgmt-server/cellsadm/verb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct key_opts {
	const char *out, *name;
	bool private, force, pem;
};

/* Where a new key goes; never over one that is there. */
static int new_path(struct adm *a, const char *name, const struct key_opts *o,
		    char **ret, struct err *e)
{
	auto_free char *file = NULL, *path = NULL;
	int r;

	if (!text_is_id(name))
		return err_set(e, EINVAL,
			       "'%s': not a name for a key "
			       "(a-z 0-9 . _ -)",
			       name);
	if (o->out)
		path = strdup(o->out);
	else if (asprintf(&file, "keys/%s.key", name) < 0)
		return err_oom(e, name);
	if (file) {
		r = adm_path(a, file, &path, e);
		if (r < 0)
			return r;
	}
	if (!path)
		return err_oom(e, name);
	if (access(path, F_OK) == 0 && !o->force)
		return err_set(e, EEXIST,
			       "%s is there already (--force "
			       "replaces it)",
			       path);
	*ret = steal(path);
	return 0;
}

static int print_key(const struct adm *a, const struct key *k, const char *name,
		     const char *path, struct err *e)
{
	size_t len;
	const void *spki = key_spki(k, &len);
	auto_free char *b64 = text_base64(spki, len), *pem = NULL;
	auto_json json_t *j = NULL;
	int r = key_to_pem(k, false, &pem, e);

	if (r < 0)
		return r;
	j = json_pack("{ss ss ss ss}", "name", name, "keyid", key_id(k), "spki",
		      b64 ? b64 : "", "file", path);
	if (!j || !b64)
		return err_oom(e, path);
	if (a->json)
		adm_print_json(j);
	else
		printf("name   %s\nkeyid  %s\nfile   %s\n%s", name, key_id(k),
		       path, pem);
	return 0;
}

/* Asks for a password and writes the key file. */
static int write_sealed(struct adm *a, const struct key *k, const char *name,
			const char *path, struct err *e)
{
	AUTO(prompt_freep) char *password = NULL;
	auto_free char *sealed = NULL;
	char what[80];
	int r;

	snprintf(what, sizeof(what), "key '%s'", name);
	r = ring_new_password(a, what, &password, e);
	if (r < 0)
		return r;
	r = key_seal(k, name, password, &sealed, e);
	if (r < 0)
		return r;
	return io_replace_file(path, sealed, strlen(sealed), 0600, e);
}

static int seal_and_write(struct adm *a, const struct key *k, const char *name,
			  const struct key_opts *o, struct err *e)
{
	auto_free char *path = NULL;
	int r = new_path(a, name, o, &path, e);

	if (r < 0)
		return r;
	r = write_sealed(a, k, name, path, e);
	return r < 0 ? r : print_key(a, k, name, path, e);
}

static int run_new(struct adm *a, const void *opts, char **argv, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	int r = key_generate(&k, e);

	return r < 0 ? r : seal_and_write(a, k, argv[0], opts, e);
}

static int print_pem(const struct key *k, struct err *e)
{
	auto_free char *pem = NULL;
	int r = key_to_pem(k, false, &pem, e);

	return r < 0 ? r : adm_output(NULL, pem, e);
}

static int show(struct adm *a, const char *path, bool pem, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *name = NULL;
	int r = ring_public(a, path, &k, &name, e);

	if (r < 0)
		return r;
	return pem ? print_pem(k, e) : print_key(a, k, name, path, e);
}

static int run_show(struct adm *a, const void *opts, char **argv, struct err *e)
{
	const struct key_opts *o = opts;
	auto_free char *path = NULL;
	int r = ring_path(a, argv[0], &path, e);

	return r < 0 ? r : show(a, path, o->pem, e);
}

static int run_import(struct adm *a, const void *opts, char **argv,
		      struct err *e)
{
	AUTO(prompt_freep) char *pem = NULL;
	AUTO(key_freep) struct key *k = NULL;
	size_t len;
	int r = io_read_file(argv[1], 64 * 1024, &pem, &len, e);

	if (r >= 0)
		r = key_from_pem(pem, &k, e);
	if (r < 0)
		return r;
	if (!key_is_private(k))
		return err_set(e, EINVAL, "%s: a public key, nothing to seal",
			       argv[1]);
	return seal_and_write(a, k, argv[0], opts, e);
}

static int run_export(struct adm *a, const void *opts, char **argv,
		      struct err *e)
{
	const struct key_opts *o = opts;
	AUTO(prompt_freep) char *pem = NULL;
	AUTO(key_freep) struct key *k = NULL;
	int r;

	r = o->private ? ring_private(a, argv[0], 0, &k, NULL, e)
		       : ring_public(a, argv[0], &k, NULL, e);
	if (r >= 0)
		r = key_to_pem(k, o->private, &pem, e);
	if (r < 0)
		return r;
	if (o->out)
		return io_replace_file(o->out, pem, strlen(pem),
				       o->private ? 0600 : 0644, e);
	fputs(pem, stdout);
	return 0;
}

static int add_row(const struct adm *a, const char *name, json_t *keys,
		   struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *own = NULL;
	int r = ring_public(a, name, &k, &own, e);

	if (r < 0)
		return r;
	if (json_array_append_new(keys, json_pack("{ss ss}", "name", own,
						  "keyid", key_id(k))) < 0)
		return err_oom(e, name);
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_key_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".key") == 0;
}

static int run_list(struct adm *a, const void *opts, char **argv, struct err *e)
{
	static const struct column columns[] = { { "NAME", "name" },
						 { "KEYID", "keyid" },
						 { NULL } };
	auto_free char *folder = io_join(a->folder, "keys");
	auto_free struct dirent **entries = NULL;
	auto_json json_t *keys = json_array();
	int r = 0, n;

	n = folder ? scandir(folder, &entries, is_key_file, by_name) : 0;
	for (int i = 0; i < n; i++) {
		*strrchr(entries[i]->d_name, '.') = '\0';
		if (r >= 0)
			r = add_row(a, entries[i]->d_name, keys, e);
		free(entries[i]);
	}
	return r < 0 ? r : columns_print(a, columns, keys, e);
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct key_opts, member, name, letter, kind, arg, help)

static const struct opt new_opts[] = {
	OPT(out, "out", 'o', OPT_STRING, "FILE",
	    "instead of keys/NAME.key in the configuration"),
	OPT(force, "force", 0, OPT_FLAG, NULL, "replace a key that is there"),
	{ NULL },
};
static const struct opt show_opts[] = {
	OPT(pem, "pem", 0, OPT_FLAG, NULL, "only the public key as PEM"),
	{ NULL },
};
static const struct opt export_opts[] = {
	OPT(out, "out", 'o', OPT_STRING, "FILE", "instead of the terminal"),
	OPT(private, "private", 0, OPT_FLAG, NULL,
	    "the private key too, unsealed"),
	{ NULL },
};

const struct verb adm_key_verbs[] = {
	{ "key", "new", "NAME", 1, 1, "make a key, sealed by a password",
	  VERB_PASSWORD | VERB_FORMAT, new_opts, sizeof(struct key_opts),
	  run_new },
	{ "key", "list", "", 0, 0, "the keys in the configuration", VERB_FORMAT,
	  NULL, 0, run_list },
	{ "key", "show", "KEY", 1, 1, "a key's name, id and public half",
	  VERB_FORMAT, show_opts, sizeof(struct key_opts), run_show },
	{ "key", "import", "NAME PEM", 2, 2, "seal a private key from PEM",
	  VERB_PASSWORD | VERB_FORMAT, new_opts, sizeof(struct key_opts),
	  run_import },
	{ "key", "export", "KEY", 1, 1, "a key as PEM", VERB_PASSWORD,
	  export_opts, sizeof(struct key_opts), run_export },
	{ NULL },
};

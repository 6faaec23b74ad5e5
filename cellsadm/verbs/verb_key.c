/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/trust/keyring.h"
#include "cellsadm/ui/prompt.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct key_opts {
	const char *out, *name;
	bool private, force, pem;
};

/* Where a new key goes; never over one that is there. */
static int choose_key_path(struct adm *a, const char *name,
			   const struct key_opts *o, char **ret, struct err *e)
{
	auto_free char *file = NULL, *path = NULL;
	int r;

	if (!encoding_is_valid_id(name))
		return err_set(e, EINVAL,
			       "'%s': not a name for a key "
			       "(a-z 0-9 . _ -)",
			       name);
	if (o->out)
		path = strdup(o->out);
	else if (asprintf(&file, "keys/%s.key", name) < 0)
		return err_oom(e, name);
	if (file) {
		r = adm_prepare_path(a, file, &path, e);
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

static int print_key_details(const struct adm *a, const struct key *k,
			     const char *name, const char *path, struct err *e)
{
	size_t len;
	const void *spki = key_spki(k, &len);
	auto_free char *b64 = encoding_to_base64(spki, len), *pem = NULL;
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
static int write_sealed_key(struct adm *a, const struct key *k,
			    const char *name, const char *path, struct err *e)
{
	AUTO(prompt_freep) char *password = NULL;
	auto_free char *sealed = NULL;
	char what[80];
	int r;

	snprintf(what, sizeof(what), "key '%s'", name);
	r = keyring_get_new_password(a, what, &password, e);
	if (r < 0)
		return r;
	r = key_file_encrypt(k, name, password, &sealed, e);
	if (r < 0)
		return r;
	return io_replace_file(path, sealed, strlen(sealed), 0600, e);
}

static int save_new_key(struct adm *a, const struct key *k, const char *name,
			const struct key_opts *o, struct err *e)
{
	auto_free char *path = NULL;
	int r = choose_key_path(a, name, o, &path, e);

	if (r < 0)
		return r;
	r = write_sealed_key(a, k, name, path, e);
	return r < 0 ? r : print_key_details(a, k, name, path, e);
}

static int verb_key_new(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct adm *a = context;
	AUTO(key_freep) struct key *k = NULL;
	int r = key_generate(&k, e);

	return r < 0 ? r : save_new_key(a, k, argv[0], opts, e);
}

static int print_public_pem(const struct key *k, struct err *e)
{
	auto_free char *pem = NULL;
	int r = key_to_pem(k, false, &pem, e);

	return r < 0 ? r : adm_write_output(NULL, pem, e);
}

static int show_key_file(struct adm *a, const char *path, bool pem,
			 struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *name = NULL;
	int r = keyring_load_public(a, path, &k, &name, e);

	if (r < 0)
		return r;
	return pem ? print_public_pem(k, e)
		   : print_key_details(a, k, name, path, e);
}

static int verb_key_show(void *context, const void *opts, char **argv,
			 struct err *e)
{
	struct adm *a = context;
	const struct key_opts *o = opts;
	auto_free char *path = NULL;
	int r = keyring_resolve_path(a, argv[0], &path, e);

	return r < 0 ? r : show_key_file(a, path, o->pem, e);
}

static int verb_key_import(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
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
	return save_new_key(a, k, argv[0], opts, e);
}

static int verb_key_export(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	const struct key_opts *o = opts;
	AUTO(prompt_freep) char *pem = NULL;
	AUTO(key_freep) struct key *k = NULL;
	int r;

	r = o->private ? keyring_load_private(a, argv[0], 0, &k, NULL, e)
		       : keyring_load_public(a, argv[0], &k, NULL, e);
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

static int append_key_row(const struct adm *a, const char *name, json_t *keys,
			  struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *own = NULL;
	int r = keyring_load_public(a, name, &k, &own, e);

	if (r < 0)
		return r;
	if (json_array_append_new(keys, json_pack("{ss ss}", "name", own,
						  "keyid", key_id(k))) < 0)
		return err_oom(e, name);
	return 0;
}

static int compare_entry_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_key_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".key") == 0;
}

static int verb_key_list(void *context, const void *opts, char **argv,
			 struct err *e)
{
	struct adm *a = context;
	static const struct table_column columns[] = { { "NAME", "name" },
						       { "KEYID", "keyid" },
						       { NULL } };
	auto_free char *folder = io_join(a->folder, "keys");
	auto_free struct dirent **entries = NULL;
	auto_json json_t *keys = json_array();
	int r = 0, n;

	n = folder ? scandir(folder, &entries, is_key_file, compare_entry_names)
		   : 0;
	for (int i = 0; i < n; i++) {
		*strrchr(entries[i]->d_name, '.') = '\0';
		if (r >= 0)
			r = append_key_row(a, entries[i]->d_name, keys, e);
		free(entries[i]);
	}
	return r < 0 ? r : adm_print_rows(a, columns, keys, e);
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

const struct verb verb_key_table[] = {
	{ "new", "NAME", 1, 1, "make a key, sealed by a password",
	  VERB_PASSWORD | VERB_FORMAT, new_opts, sizeof(struct key_opts),
	  verb_key_new },
	{ "list", "", 0, 0, "the keys in the configuration", VERB_FORMAT, NULL,
	  0, verb_key_list },
	{ "show", "KEY", 1, 1, "a key's name, id and public half", VERB_FORMAT,
	  show_opts, sizeof(struct key_opts), verb_key_show },
	{ "import", "NAME PEM", 2, 2, "seal a private key from PEM",
	  VERB_PASSWORD | VERB_FORMAT, new_opts, sizeof(struct key_opts),
	  verb_key_import },
	{ "export", "KEY", 1, 1, "a key as PEM", VERB_PASSWORD, export_opts,
	  sizeof(struct key_opts), verb_key_export },
	{ NULL },
};

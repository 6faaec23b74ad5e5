/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every verb of cellsadm works with: the folder of configuration and kept
 * state, the options that verbs share, the server that was chosen.
 */
#ifndef CELLSADM_ADM_H
#define CELLSADM_ADM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/admin_config.h"
#include "lib/json.h"
#include "lib/opt.h"

struct doc;
struct err;
struct remote;
struct table_column;

struct adm {
	char *folder; /* ~/.config/cells */
	const char *folder_option, *server_option;
	bool yes, json;
	struct opt_list keys, password_files;
	bool password_stdin;
	const char *root_option;
	struct admin_config server; /* read by adm_get_server() */
	struct remote *remote;	    /* remote.h opens and closes it */
	/* In force (trust_root_get()): as kept, as the server has it. */
	struct doc *kept_root, *root;
};

/* Finds the folder; the options are parsed already. */
int adm_open(struct adm *a, struct err *e);
/* After remote_close(). */
void adm_close(struct adm *a);

/*
 * The server that --server or admin.conf names. -ENOENT: there is none. The
 * result lives as long as a.
 */
int adm_get_server(struct adm *a, const struct admin_config **ret,
		   struct err *e);

/* The same, NULL where none is configured: for verbs that can do without. */
const struct admin_config *adm_get_server_or_null(struct adm *a);

/* "folder/a/b", which the caller frees; its parent folder is made (0700). */
int adm_prepare_path(const struct adm *a, const char *name, char **ret,
		     struct err *e);

/* Asks y/N on the terminal unless --yes; -ECANCELED: no. */
int adm_confirm(const struct adm *a, const char *question, struct err *e);

/* "12h", "90m", "30d", "45s" or plain seconds. */
int adm_parse_duration(const char *s, uint64_t *ret_seconds, struct err *e);
/* "512M", "4G", "64K" or plain bytes. */
int adm_parse_size(const char *s, uint64_t *ret_bytes, struct err *e);
/* RFC 3339, or "now", or "-2h" (that long ago). */
int adm_parse_time(const char *s, int64_t *ret, struct err *e);
/* "field:5" or "field" (*ret_min stays as it was). id has DOC_ID_SIZE bytes. */
int adm_parse_reference(const char *s, char *id, uint32_t *ret_min,
			struct err *e);

/* Writes to --out (mode 0644), or to stdout where it is NULL. */
int adm_write_output(const char *path, const char *text, struct err *e);

/* A line to a file of mode 0600. */
int adm_write_secret(const char *path, const char *line, struct err *e);

/* Pretty JSON on stdout. */
void adm_print_json(const json_t *j);

/* A table of objects; with --format json {"items": rows}, as the server's. */
int adm_print_rows(const struct adm *a, const struct table_column *columns,
		   const json_t *rows, struct err *e);
/* One object, a line for each member; with --format json the object. */
int adm_print_object(const struct adm *a, const struct table_column *columns,
		     const json_t *object, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which management servers an administrator's tools know, and by what they
 * trust each. In $XDG_CONFIG_HOME/cells, else ~/.config/cells:
 *   admin.conf         default = NAME
 *   servers/NAME.conf  host, port, ca (path of a PEM file), token or
 * token-file, root (sha256:<hex> of the first root document) Paths in them are
 * relative to the file's own folder. NAME is an id.
 */
#ifndef LIB_ADMIN_CONFIG_H
#define LIB_ADMIN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

#define ADMIN_CONFIG_PORT 8443

struct err;

struct admin_config {
	char *name;
	char *host;
	uint16_t port;
	char *ca_pem; /* the PEM itself */
	char *token;  /* NULL: none */
	bool has_root;
	uint8_t root[HASH_SIZE];
};

/* The folder, which the caller frees. It need not exist. */
int admin_config_folder(char **ret, struct err *e);

/*
 * Reads what `folder` (NULL: the user's) says of server `name` (NULL: the
 * default one). -ENOENT: there is no such server, or no default.
 */
int admin_config_read(const char *folder, const char *name,
		      struct admin_config *ret, struct err *e);
void admin_config_fini(struct admin_config *c);

/*
 * Adds or replaces a server, its certificate and token beside it (mode 0600).
 * It becomes the default if there is none yet, or with make_default.
 */
int admin_config_write(const char *folder, const struct admin_config *c,
		       bool make_default, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management servers of an administrator's tools, and the CA certificate
 * and root of each. The folder is $XDG_CONFIG_HOME/cells, or ~/.config/cells:
 *   admin.conf         default = NAME
 *   servers/NAME.conf  host, port, ca, token or token-file, root
 * `ca` is the path of a PEM file, and `root` is "sha256:<hex>" of the first
 * root document. Paths are relative to the folder of their file. NAME is an id.
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

/* Returns the folder, which the caller frees. It can be missing. */
int admin_config_folder(char **ret, struct err *e);

/*
 * Reads the entry of server `name` (NULL: the default server) from `folder`
 * (NULL: that of the user). -ENOENT: there is no such server, or no default.
 */
int admin_config_read(const char *folder, const char *name,
		      struct admin_config *ret, struct err *e);
void admin_config_fini(struct admin_config *c);

/*
 * Adds or replaces a server, and stores its certificate and token beside it
 * (mode 0600). It becomes the default if there is none, or with make_default.
 */
int admin_config_write(const char *folder, const struct admin_config *c,
		       bool make_default, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the person at this machine: files keys/NAME.key in the
 * configuration, or anywhere; sealed by a password (cells-key(5)).
 */
#ifndef CELLSADM_TRUST_KEYRING_H
#define CELLSADM_TRUST_KEYRING_H

#include <stddef.h>

#include "lib/crypto/key.h"

struct adm;
struct envelope;
struct err;

#define KEYRING_KEYS_MAX 16

/* KEY of an option: keys/KEY.key if there is one, else a file. */
int keyring_resolve_path(const struct adm *a, const char *name, char **ret,
			 struct err *e);

/* The public half of a key file, a PEM or (as a name) a kept key. */
int keyring_load_public(const struct adm *a, const char *name, struct key **ret,
			char **ret_name, struct err *e);

/* With the private half; asks for the password. `i`: which of --key it is. */
int keyring_load_private(const struct adm *a, const char *name, unsigned int i,
			 struct key **ret, char **ret_name, struct err *e);

/* All of --key. */
struct keyring {
	unsigned int n;
	struct key *key[KEYRING_KEYS_MAX];
	char *name[KEYRING_KEYS_MAX];
};
int keyring_open(const struct adm *a, struct keyring *ret, struct err *e);
void keyring_fini(struct keyring *r);

/* Adds a signature by each key. */
int keyring_sign_envelope(const struct keyring *r, struct envelope *env,
			  struct err *e);

/* The password for a new key, by the options or the terminal. */
int keyring_get_new_password(const struct adm *a, const char *what, char **ret,
			     struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VP is given besides its image and its data: the secrets of its config,
 * as the file /run/cells/secrets, which only its root may read. They are kept
 * in its encrypted data, and handed over at each start.
 */
#ifndef CELLSD_STORAGE_VP_SECRETS_H
#define CELLSD_STORAGE_VP_SECRETS_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define VP_SECRETS_MAX (64 * 1024)

/* Keeps them in the VP's data folder, durably; replaces those before. */
int vp_secrets_save(int data, const void *secrets, size_t len, struct err *e);

/* Opens /run/cells of a VP, and makes it first if need be. */
int vp_secrets_open_folder(int run, uint32_t base, int *ret, struct err *e);

/*
 * Copies what is kept into the VP's /run, a tmpfs; `base` is its root. Nothing
 * kept is not an error.
 */
int vp_secrets_copy_to_run(int data, int run, uint32_t base, struct err *e);

/* The name server to ask, IPv4 in host byte order: /run/cells/resolv.conf. */
int vp_secrets_write_resolv_conf(int run, uint32_t base, uint32_t server,
				 struct err *e);

#endif

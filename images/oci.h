/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON files of an OCI image (opencontainers/image-spec 1.0 and 1.1, and
 * the Docker forms of the same): bytes in, structs out.
 */
#ifndef IMAGES_OCI_H
#define IMAGES_OCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCI_FILE_MAX (4 * 1024 * 1024)
/* More than an image of ours can have: they are squashed then. */
#define OCI_LAYERS_MAX 512
#define OCI_LOST_MAX 8
#define OCI_NAME_SIZE 256
#define OCI_DIGEST_SIZE 72 /* "sha256:<hex>" with the NUL */

struct err;

struct oci_blob {
	char digest[OCI_DIGEST_SIZE];
	uint64_t size;
};

struct oci_manifest {
	struct oci_blob config;
	unsigned int n_layers;
	struct oci_blob layer[OCI_LAYERS_MAX]; /* lowest first */
};

struct oci_config {
	char architecture[16];
	char init[128]; /* "" unless the image runs one program, no arguments */
	char stop_signal[16]; /* without SIG; "" if it does not say */
	/* What a VP would not have of it, a line each. */
	unsigned int n_lost;
	char lost[OCI_LOST_MAX][128];
	bool lost_command; /* the first of them is what is run */
	unsigned int n_layers;
	char diff_id[OCI_LAYERS_MAX][OCI_DIGEST_SIZE];
};

/* An image of `docker save`: its files, by name, below the archive's root. */
struct oci_archive {
	char config[OCI_NAME_SIZE];
	unsigned int n_layers;
	char layer[OCI_LAYERS_MAX][OCI_NAME_SIZE]; /* lowest first */
};

/* Its manifest.json: the one image that has the tag ("name:tag", the part
 * behind the last slash, or behind the colon; NULL: any). */
int oci_parse_archive(const char *text, size_t len, const char *tag,
		      struct oci_archive *ret, struct err *e);

/*
 * The one image of an index for the architecture (as Debian names it; NULL:
 * any) and the reference name `tag` (NULL: any). *ret_index: what was found is
 * an index itself. -ENOENT: none; -EINVAL: more than one, or not an index.
 */
int oci_parse_index(const char *text, size_t len, const char *architecture,
		    const char *tag, struct oci_blob *ret, bool *ret_index,
		    struct err *e);
int oci_parse_manifest(const char *text, size_t len, struct oci_manifest *ret,
		       struct err *e);
int oci_parse_config(const char *text, size_t len, struct oci_config *ret,
		     struct err *e);

#endif

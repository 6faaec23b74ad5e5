/* SPDX-License-Identifier: Apache-2.0 */
/* Scans a folder before it is packed, within the limits of an unpack. */
#ifndef IMAGES_TREE_SCAN_H
#define IMAGES_TREE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct unpack;

struct scan_result {
	bool plain; /* holds nothing that must be left out: packed as it lies */
	int64_t newest; /* time of an entry, seconds */
};

/*
 * Counts the folder against the limits only if it is plain; otherwise the
 * folder is copied, and the copy is counted.
 */
int scan_folder(struct unpack *u, const char *path, struct scan_result *ret,
		struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into a tree, and what is left out of it. */
#ifndef IMAGES_TREE_TREE_ENTRY_H
#define IMAGES_TREE_TREE_ENTRY_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct tree_entry {
	const char *path; /* as the archive says; "" or "." is the root */
	const char *link; /* target of a hard or symbolic link, or NULL */
	bool is_hardlink;
	mode_t mode; /* type and permissions */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
};

/* What was left out, for a note to the user. */
struct tree_omissions {
	unsigned int devices, sockets, xattrs;
	char first_device[128];
};

#endif

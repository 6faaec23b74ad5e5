/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX.1e ACLs of archives, in the form that the kernel keeps as xattrs. A tar
 * names users and groups; who they are is said by the image's own passwd and
 * group, which may come after the entry: such ACLs wait for the end.
 */
#ifndef IMAGES_TREE_ACL_H
#define IMAGES_TREE_ACL_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct tree;

#define ACL_ENTRIES_MAX 1024 /* of one that a reader takes */

enum acl_kind { ACL_OF_ACCESS, ACL_OF_DEFAULT };

struct acl_entry {
	uint16_t tag; /* <linux/posix_acl.h> */
	uint16_t permissions;
	int id;		  /* of ACL_USER and ACL_GROUP; below 0: it has none */
	const char *name; /* of those; NULL or "": it has none */
};

/* Those that wait; zeroed at the beginning. */
struct acl_deferred {
	void *root; /* of struct acl_unresolved, for tsearch(3) */
};

/* Sets an ACL (no entries: it has none) on the current entry of the tree, or
 * lets it wait. */
int acl_apply(enum acl_kind kind, const struct acl_entry *entries, size_t n,
	      struct tree *t, struct acl_deferred *w, struct err *e);
/* Sets those that wait. -EINVAL: the image does not know a name, and the
 * archive has no number for it. */
int acl_apply_deferred(struct acl_deferred *w, struct tree *t, struct err *e);
void acl_deferred_free(struct acl_deferred *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX.1e ACLs of archives, in the form that the kernel keeps as xattrs. A tar
 * names users and groups; who they are is said by the image's own passwd and
 * group, which may come after the entry: such ACLs wait for the end.
 */
#ifndef IMAGES_TREE_ACL_H
#define IMAGES_TREE_ACL_H

struct archive_entry;
struct err;
struct tree;

/* Those that wait; zeroed at the beginning. */
struct acl_deferred {
	void *root; /* of struct acl_unresolved, for tsearch(3) */
};

/* Sets the entry's access and default ACL, if it has them, on the current
 * entry, or lets them wait. */
int acl_apply_entry(struct archive_entry *ae, struct tree *t,
		    struct acl_deferred *w, struct err *e);
/* Sets those that wait. -EINVAL: the image does not know a name, and the
 * archive has no number for it. */
int acl_apply_deferred(struct acl_deferred *w, struct tree *t, struct err *e);
void acl_deferred_free(struct acl_deferred *w);

#endif

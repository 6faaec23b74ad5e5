/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX.1e ACLs of archives, in the form that the kernel keeps as xattrs. */
#ifndef IMAGES_ACL_H
#define IMAGES_ACL_H

struct archive_entry;
struct err;
struct tree;

/* Sets the entry's access and default ACL, if it has them, on the begun entry.
 */
int acl_apply(struct archive_entry *ae, struct tree *t, struct err *e);

#endif

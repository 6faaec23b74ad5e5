/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts by descriptor (fsopen(2), open_tree(2), move_mount(2)). A place to
 * attach to is looked up below a directory, and no symbolic link is followed:
 * what lies in a VP's data was written by the VP.
 */
#ifndef CELLSD_CONTAINER_MOUNT_H
#define CELLSD_CONTAINER_MOUNT_H

#include <stdint.h>
#include <sys/types.h>

struct err;

struct mount_option {
	const char *key, *value; /* a NULL value: a flag; a NULL key ends */
};

/*
 * A new, detached mount; `attrs` are MOUNT_ATTR_*. It shows the namespaces
 * of the process that opens the context; any process may create the mount.
 */
int mount_open_context(const char *fs, int *ret_context, struct err *e);
int mount_create_from_context(int context, const char *fs,
			      const struct mount_option *options,
			      unsigned int attrs, int *ret, struct err *e);
int mount_new(const char *fs, const struct mount_option *options,
	      unsigned int attrs, int *ret, struct err *e);

/* A detached copy of the mount (or a bind of the file) at dir/path. */
int mount_clone(int dir, const char *path, int *ret, struct err *e);

/* Sets MOUNT_ATTR_* on a mount; on a detached one also its id map. */
int mount_set_flags(int mount, uint64_t attrs, const char *what, struct err *e);
int mount_set_idmap(int mount, int userns, const char *what, struct err *e);

/* Attaches a detached mount to dir/path; -ENOENT: there is no such place. */
int mount_attach(int mount, int dir, const char *path, struct err *e);

/* The same, to a place that is open; `what` is named in messages. */
int mount_attach_at_fd(int mount, int place, const char *what, struct err *e);

/* Opens dir/path without leaving dir and without links. */
int mount_open_beneath(int dir, const char *path, uint64_t flags, int *ret,
		       struct err *e);

/*
 * Opens (O_PATH) the tmpfs that is mounted at dir/path in the mount namespace
 * of pid. What else is there is not touched, so that a file system which
 * the VP serves itself cannot hold us: -EMEDIUMTYPE.
 */
int mount_open_tmpfs(pid_t pid, int dir, const char *path, int *ret,
		     struct err *e);

/* umount2(MNT_DETACH) of dir/path, which nobody else can change. */
void mount_detach(int dir, const char *path);

#endif

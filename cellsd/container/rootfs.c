/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/rootfs.h"

#include "cellsd/container/layer.h"
#include "cellsd/container/machine_id.h"
#include "cellsd/container/masked_paths.h"
#include "cellsd/container/mount.h"
#include "cellsd/container/pidns.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define LAYERS_MAX 16
#define LAYER_NAME_SIZE 16
#define STACK_SIZE (64 * 1024)
#define TTY_GROUP 5
/* Of the 3072 that the kernel leaves to all VPs (kernel.pty.max). */
#define TERMINALS_MAX "128"
#define PROC_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* ---- the stage */

int rootfs_create_stage(const char *folder, int *ret, struct err *e)
{
	const struct mount_option options[] = { { "mode", "0711" }, {} };
	auto_close int fd = -1;
	int r;

	/* Safe because slave mounts propagate none of our mounts to the host.
	 */
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, errno, "make a mount namespace");
	/*
	 * The file system ids change while a tree is built; capabilities stay.
	 * Children lose this with their first user namespace.
	 */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return err_sys(e, errno, "keep capabilities over setfsuid");
	r = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		      &fd, e);
	if (r < 0)
		return r;
	if (move_mount(fd, "", AT_FDCWD, folder, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mount the stage on %s", folder);
	if (fchdir(fd) < 0 || mkdir("root", 0700) < 0 ||
	    mkdir("data", 0700) < 0 || mkdir(MASKED_PATHS_STAGE, 0700) < 0 ||
	    mkdir("layers", 0700) < 0)
		return err_sys(e, errno, "prepare the stage %s", folder);
	*ret = steal_fd(fd);
	return 0;
}

static void format_layer_name(char name[LAYER_NAME_SIZE], unsigned int i)
{
	snprintf(name, LAYER_NAME_SIZE, "l%u", i);
}

void rootfs_clear_stage(int stage)
{
	char name[LAYER_NAME_SIZE];

	mount_detach(stage, "root");
	mount_detach(stage, "data");
	mount_detach(stage, MASKED_PATHS_STAGE);
	for (unsigned int i = 0; i < LAYERS_MAX; i++) {
		format_layer_name(name, i);
		if (faccessat(stage, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			break;
		mount_detach(stage, name);
		unlinkat(stage, name, AT_REMOVEDIR);
	}
}

/* ---- the root */

/* The ids with which the next file system calls make and look up files. */
static void set_fs_ids(uint32_t id)
{
	setfsgid(id);
	setfsuid(id);
}

static int mount_vp_layer(int stage, const struct rootfs_plan *p,
			  unsigned int i, struct err *e)
{
	auto_close int fd = -1;
	char name[LAYER_NAME_SIZE];
	int r = layer_set_clone_mount(p->layers, p->digests[i], &fd, e);

	if (r == 0)
		r = mount_set_idmap(fd, p->userns, "a layer", e);
	if (r < 0)
		return r;
	format_layer_name(name, i);
	if (mkdirat(stage, name, 0711) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make a mount point");
	return mount_attach(fd, stage, name, e);
}

static int mount_vp_data(int stage, const struct rootfs_plan *p, struct err *e)
{
	auto_close int fd = -1;
	int r = mount_clone(p->data, "", &fd, e);

	if (r == 0)
		r = mount_set_idmap(fd, p->userns, "the VP's data", e);
	if (r == 0)
		r = mount_attach(fd, stage, "data", e);
	return r;
}

/* The VP's context for all that is on a file system of its own. */
static struct mount_option get_context_option(const struct rootfs_plan *p)
{
	return (struct mount_option){ *p->label ? "context" : NULL, p->label };
}

static int mount_vp_overlay(const struct rootfs_plan *p, int *ret,
			    struct err *e)
{
	char lower[LAYER_NAME_SIZE * LAYERS_MAX] = "", name[LAYER_NAME_SIZE];
	struct mount_option options[] = {
		{ "lowerdir", lower },
		{ "upperdir", "data/upper" },
		{ "workdir", "data/work" },
		{ NULL, NULL },
		{ NULL, NULL },
	};
	int r;

	/* Overlay wants the highest first. */
	for (unsigned int i = p->n_digests; i-- > 0;) {
		size_t used = strlen(lower);

		format_layer_name(name, i);
		snprintf(lower + used, sizeof(lower) - used, "%s%s", name,
			 i > 0 ? ":" : "");
	}
	options[3] = get_context_option(p);
	/* The mounter's ids own the work folder; with others it is read-only.
	 */
	set_fs_ids(p->base);
	r = mount_new("overlay", options, MOUNT_ATTR_NODEV, ret, e);
	set_fs_ids(0);
	return r;
}

/* An image that has no resolv.conf takes what vp_secrets_write_resolv_conf()
 * gives. */
static void link_resolv_conf(int root)
{
	auto_close int etc = -1;
	struct err none;

	if (mount_open_beneath(root, "etc", O_RDONLY | O_DIRECTORY, &etc,
			       &none) == 0 &&
	    symlinkat("../run/cells/resolv.conf", etc, "resolv.conf") < 0)
		return; /* it has one */
}

static int mount_vp_root(int stage, const struct rootfs_plan *p, int *ret,
			 struct err *e)
{
	static const char *const places[] = { "dev", "proc", "sys",
					      "run", "tmp",  "etc" };
	auto_close int fd = -1;
	struct statvfs fs;
	int r = 0;

	if (p->n_digests == 0 || p->n_digests > LAYERS_MAX)
		return err_set(e, EINVAL, "a VP needs 1 to %d layers",
			       LAYERS_MAX);
	for (unsigned int i = 0; r == 0 && i < p->n_digests; i++)
		r = mount_vp_layer(stage, p, i, e);
	if (r == 0)
		r = mount_vp_data(stage, p, e);
	if (r == 0)
		r = mount_vp_overlay(p, &fd, e);
	if (r == 0)
		r = mount_attach(fd, stage, "root", e);
	if (r < 0)
		return r;
	if (fstatvfs(fd, &fs) < 0 || fs.f_flag & ST_RDONLY)
		return err_reason(e, REASON_KERNEL,
				  "mount overlay: it is read-only");
	set_fs_ids(p->base);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (mkdirat(fd, places[i], 0755) < 0 && errno != EEXIST)
			r = err_sys(e, errno, "make /%s of the VP", places[i]);
	link_resolv_conf(fd);
	if (r == 0)
		r = machine_id_replace_inherited(fd, p->data, e);
	set_fs_ids(0);
	if (r == 0)
		*ret = steal_fd(fd);
	return r;
}

/* ---- file systems of the VP's own namespaces */

static const struct {
	const char *fs, *place;
	unsigned int attrs;
} fresh[] = {
	{ "proc", "proc", PROC_ATTRS },
	{ "sysfs", "sys", PROC_ATTRS | MOUNT_ATTR_RDONLY },
	{ "mqueue", "dev/mqueue", PROC_ATTRS },
};

struct namespace_mounts {
	int pidfd;
	int context[ARRAY_SIZE(fresh)];
	struct err *e;
	int r;
};

/*
 * Runs as a process of the VP's pid namespace that shares our memory and files
 * while we wait. Safe because no program of the VP runs yet. It ends with the
 * VP's first process, at any point: what it has opened is ours to close.
 */
static int open_namespace_contexts(void *arg)
{
	struct namespace_mounts *f = arg;
	int r = 0;

	if (setns(f->pidfd, CLONE_NEWNET | CLONE_NEWIPC) < 0)
		r = err_sys(f->e, errno, "enter the VP's namespaces");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fresh); i++)
		r = mount_open_context(fresh[i].fs, &f->context[i], f->e);
	f->r = r;
	_exit(0);
}

static int run_in_vp_namespaces(struct namespace_mounts *f)
{
	static char stack[STACK_SIZE] __attribute__((aligned(16)));
	int pid, code, status, own;
	int r = pidns_enter(f->pidfd, &own, f->e);

	if (r < 0)
		return r;
	f->r = err_set(f->e, ECHILD, "enter the VP's namespaces: it ended");
	pid = clone(open_namespace_contexts, stack + STACK_SIZE,
		    CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, f);
	code = errno;
	pidns_leave(own);
	if (pid < 0)
		return err_sys(f->e, code, "clone into the VP's pid namespace");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return f->r;
}

static int mount_namespace_filesystems(int stage, int root,
				       const struct rootfs_plan *p,
				       struct err *e)
{
	struct namespace_mounts f = { .pidfd = p->pidfd,
				      .context = { -1, -1, -1 },
				      .e = e };
	int r = run_in_vp_namespaces(&f);

	for (size_t i = 0; i < ARRAY_SIZE(fresh); i++) {
		auto_close int context = f.context[i], fd = -1;

		if (r == 0)
			r = mount_create_from_context(context, fresh[i].fs,
						      NULL, fresh[i].attrs, &fd,
						      e);
		if (r == 0)
			r = mount_attach(fd, root, fresh[i].place, e);
	}
	return r < 0 ? r : masked_paths_mount(stage, root, p->label, e);
}

/* ---- /dev */

static const struct rootfs_node pseudo[] = {
	{ "null", false, 1, 3 },    { "zero", false, 1, 5 },
	{ "full", false, 1, 7 },    { "random", false, 1, 8 },
	{ "urandom", false, 1, 9 }, { "tty", false, 5, 0 },
};

static const char *const links[][2] = {
	{ "ptmx", "pts/ptmx" },		 { "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },	 { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

static const char *const folders[] = { "pts", "shm", "mqueue" };

bool rootfs_is_own_node(const char *name)
{
	const size_t n = strcspn(name, "/");

#define IS(own) (strlen(own) == n && strncmp(own, name, n) == 0)
	for (size_t i = 0; i < ARRAY_SIZE(pseudo); i++)
		if (IS(pseudo[i].name))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (IS(links[i][0]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (IS(folders[i]))
			return true;
	return IS("console");
#undef IS
}

/*
 * Opens the folder in which "snd/pcmC0D0p" is, and makes what is missing if
 * `make`. Safe because no link is followed: the VP owns its /dev, and a link
 * there would lead through the daemon's own tree.
 */
static int open_node_folder(int dev, const char *name, bool make, int *ret,
			    const char **ret_leaf, struct err *e)
{
	auto_close int at = openat(dev, ".", O_PATH | O_CLOEXEC);
	const char *slash;
	char part[64];

	while (at >= 0 && (slash = strchr(name, '/'))) {
		int next;

		if (snprintf(part, sizeof(part), "%.*s", (int)(slash - name),
			     name) >= (int)sizeof(part) ||
		    !*part || strcmp(part, "..") == 0)
			return err_set(e, EINVAL,
				       "device node '%.100s': bad name", name);
		if (make && mkdirat(at, part, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make /dev/%s", part);
		next = openat(at, part,
			      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return err_sys(e, errno, "open /dev/%s of the VP",
				       part);
		close(at);
		at = next;
		name = slash + 1;
	}
	if (at < 0)
		return err_sys(e, errno, "open /dev of the VP");
	*ret = steal_fd(at);
	*ret_leaf = name;
	return 0;
}

static int create_device_node(int dev, const struct rootfs_node *n, mode_t mode,
			      struct err *e)
{
	auto_close int folder = -1;
	const char *cgroup;
	int r = open_node_folder(dev, n->name, true, &folder, &cgroup, e);

	if (r < 0)
		return r;
	mode |= n->block ? S_IFBLK : S_IFCHR;
	if (mknodat(folder, cgroup, mode, makedev(n->major, n->minor)) < 0 &&
	    errno != EEXIST)
		return err_sys(e, errno, "make /dev/%s", n->name);
	return 0;
}

int rootfs_add_node(int dev, const struct rootfs_node *n, uint32_t base,
		    struct err *e)
{
	mode_t old;
	int r;

	if (rootfs_is_own_node(n->name))
		return err_set(e, EINVAL, "make /dev/%s: the VP's own",
			       n->name);
	old = umask(0);
	set_fs_ids(base);
	r = create_device_node(dev, n, 0660, e);
	set_fs_ids(0);
	umask(old);
	return r;
}

void rootfs_remove_node(int dev, const char *name)
{
	auto_close int folder = -1;
	const char *cgroup;
	struct err e;

	if (!rootfs_is_own_node(name) &&
	    open_node_folder(dev, name, false, &folder, &cgroup, &e) == 0)
		unlinkat(folder, cgroup, 0);
}

static int populate_dev_folder(int dev, const struct rootfs_plan *p,
			       struct err *e)
{
	mode_t old = umask(0);
	int r = 0;

	set_fs_ids(p->base);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pseudo); i++)
		r = create_device_node(dev, &pseudo[i], 0666, e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][1], dev, links[i][0]) < 0)
			r = err_sys(e, errno, "make /dev/%s", links[i][0]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		if (mkdirat(dev, folders[i], 0755) < 0)
			r = err_sys(e, errno, "make /dev/%s", folders[i]);
	if (r == 0 && mknodat(dev, "console", S_IFREG | 0600, 0) < 0)
		r = err_sys(e, errno, "make /dev/console");
	set_fs_ids(0);
	umask(old);
	for (size_t i = 0; r == 0 && i < p->n_nodes; i++)
		r = rootfs_add_node(dev, &p->nodes[i], p->base, e);
	return r;
}

static int mount_vp_tmpfs(int root, const char *place,
			  const struct rootfs_plan *p, const char *mode,
			  const char *size, unsigned int attrs, int *ret,
			  struct err *e)
{
	char id[16];
	const struct mount_option options[] = {
		{ "mode", mode }, { "uid", id },	 { "gid", id },
		{ "size", size }, get_context_option(p), { NULL, NULL },
	};
	auto_close int fd = -1;
	int r;

	snprintf(id, sizeof(id), "%u", p->base);
	r = mount_new("tmpfs", options, attrs | MOUNT_ATTR_NOSUID, &fd, e);
	if (r == 0)
		r = mount_attach(fd, root, place, e);
	if (r == 0 && ret)
		*ret = steal_fd(fd);
	return r;
}

static int mount_vp_devpts(int root, const struct rootfs_plan *p, struct err *e)
{
	char group[16];
	const struct mount_option options[] = {
		{ "ptmxmode", "0666" }, { "mode", "0620" },
		{ "gid", group },	{ "max", TERMINALS_MAX },
		get_context_option(p),	{},
	};
	auto_close int fd = -1;
	int r;

	snprintf(group, sizeof(group), "%u", p->base + TTY_GROUP);
	r = mount_new("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		      &fd, e);
	if (r == 0)
		r = mount_attach(fd, root, "dev/pts", e);
	return r;
}

static int create_vp_console(int root, uint32_t base, struct rootfs *t,
			     struct err *e)
{
	auto_close int master = -1, slave = -1, bind = -1, tty = -1;
	int number, zero = 0, r;
	char path[32];

	r = mount_open_beneath(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY, &master,
			       e);
	if (r < 0)
		return r;
	if (ioctl(master, TIOCSPTLCK, &zero) < 0 ||
	    ioctl(master, TIOCGPTN, &number) < 0)
		return err_sys(e, errno, "make the VP's console");
	snprintf(path, sizeof(path), "dev/pts/%d", number);
	r = mount_open_beneath(root, path, O_PATH, &slave, e);
	if (r == 0)
		r = mount_open_beneath(root, path, O_RDWR | O_NOCTTY, &tty, e);
	if (r < 0)
		return r;
	if (fchownat(slave, "", base, base + TTY_GROUP, AT_EMPTY_PATH) < 0)
		return err_sys(e, errno, "give the VP its console");
	r = mount_clone(slave, "", &bind, e);
	if (r == 0)
		r = mount_attach(bind, root, "dev/console", e);
	if (r == 0) {
		t->console = steal_fd(master);
		t->tty = steal_fd(tty);
	}
	return r;
}

int rootfs_build(int stage, const struct rootfs_plan *p, struct rootfs *ret,
		 struct err *e)
{
	auto_close int root = -1, dev = -1, run = -1;
	int r = mount_vp_root(stage, p, &root, e);

	if (r == 0)
		r = mount_vp_tmpfs(root, "dev", p, "0755", "256k",
				   MOUNT_ATTR_NOEXEC, &dev, e);
	if (r == 0)
		r = populate_dev_folder(dev, p, e);
	if (r == 0)
		r = mount_vp_devpts(root, p, e);
	if (r == 0)
		r = mount_vp_tmpfs(root, "dev/shm", p, "1777", "50%",
				   MOUNT_ATTR_NODEV, NULL, e);
	if (r == 0)
		r = mount_vp_tmpfs(root, "run", p, "0755", "25%",
				   MOUNT_ATTR_NODEV, &run, e);
	if (r == 0)
		r = mount_namespace_filesystems(stage, root, p, e);
	if (r == 0)
		r = create_vp_console(root, p->base, ret, e);
	if (r < 0)
		return r;
	ret->dev = steal_fd(dev);
	ret->run = steal_fd(run);
	return 0;
}

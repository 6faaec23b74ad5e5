/* SPDX-License-Identifier: Apache-2.0 */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <mqueue.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define PLACE "/tmp/place" /* a folder for mounts */
#define NODE "/zero"	   /* a device node of the image */
#define SETUID "/bin/opener"
#define DENIED "/dev/vga_arbiter" /* of a class that the VP has no right to */
#define STRANGER 1000

static int number(const char *key)
{
	const char *s = escape_arg(key);

	return s ? atoi(s) : -1;
}

/* ---- by table alone */

static int a_call(const struct escape *t)
{
	return syscall(t->call, t->arg[0], t->arg[1], t->arg[2], t->arg[3]) < 0
		       ? -errno
		       : 0;
}

static int a_write(const struct escape *t)
{
	int fd = open(t->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) /* this kernel has none */
		return ESCAPE_SKIP;
	return fd < 0 || write(fd, t->text, strlen(t->text)) < 0 ? -errno : 0;
}

static int a_read(const struct escape *t)
{
	char text[64];
	int fd = open(t->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n < 0)
		return -errno;
	return n == 0 ? -ENODATA : 0;
}

static int an_open(const struct escape *t)
{
	return open(t->path, O_RDWR | O_CLOEXEC) < 0 ? -errno : 0;
}

static int place(void)
{
	return mkdir(PLACE, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int a_mount(const struct escape *t)
{
	place();
	return mount("none", PLACE, t->path, 0, t->text) < 0 ? -errno : 0;
}

static int an_umount(const struct escape *t)
{
	return umount2(t->path, MNT_DETACH) < 0 ? -errno : 0;
}

/* To see what a mount hides, by copying the mount below it alone. */
static int a_peel(const struct escape *t)
{
	place();
	return mount(t->path, PLACE, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int a_peel_by_tree(const struct escape *t)
{
	return syscall(SYS_open_tree, AT_FDCWD, t->path, 1) < 0 ? -errno : 0;
}

static int a_socket(const struct escape *t)
{
	return socket((int)t->arg[0], (int)t->arg[1], (int)t->arg[2]) < 0
		       ? -errno
		       : 0;
}

/* Taking locked flags (arg 0 is what is left of them) off a mount. */
static int a_remount(const struct escape *t)
{
	return mount(NULL, t->path, NULL,
		     MS_REMOUNT | MS_BIND | (unsigned long)t->arg[0], NULL) < 0
		       ? -errno
		       : 0;
}

static int an_unshare(const struct escape *t)
{
	return unshare((int)t->arg[0]) < 0 ? -errno : 0;
}

/* ---- device nodes */

static int a_node(const struct escape *t)
{
	dev_t dev = makedev((unsigned int)t->arg[1], (unsigned int)t->arg[2]);

	unlink(t->path);
	return mknod(t->path, (mode_t)t->arg[0] | 0666, dev) < 0 ? -errno : 0;
}

static int node_on_own_tmpfs(const struct escape *t)
{
	place();
	if (mount("none", PLACE, "tmpfs", 0, NULL) < 0)
		return ESCAPE_SKIP;
	return mknod(PLACE "/mem", S_IFCHR | 0666, makedev(1, 1)) < 0 ? -errno
								      : 0;
}

/* A file system of one's own does not open the image's nodes either. */
static int node_through_overlay(const struct escape *t)
{
	place();
	if (mount("none", PLACE, "tmpfs", 0, NULL) < 0 ||
	    mkdir(PLACE "/u", 0755) < 0 || mkdir(PLACE "/w", 0755) < 0 ||
	    mkdir(PLACE "/m", 0755) < 0)
		return ESCAPE_SKIP;
	if (mount("none", PLACE "/m", "overlay", 0,
		  "lowerdir=/nodes,upperdir=" PLACE "/u,workdir=" PLACE
		  "/w") < 0)
		return ESCAPE_SKIP;
	return open(PLACE "/m" NODE, O_RDONLY) < 0 ? -errno : 0;
}

static int node_bound_elsewhere(const struct escape *t)
{
	int fd = open("/tmp/bound", O_CREAT | O_WRONLY, 0600);

	close(fd);
	if (mount(DENIED, "/tmp/bound", NULL, MS_BIND, NULL) < 0)
		return ESCAPE_SKIP;
	return open("/tmp/bound", O_RDONLY) < 0 ? -errno : 0;
}

/* Root by the setuid bit, in a process of another user. */
static int node_by_setuid(const struct escape *t)
{
	char *argv[] = { (char *)SETUID, (char *)"open", (char *)t->path,
			 NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setresuid(STRANGER, STRANGER, STRANGER) < 0)
			_exit(255);
		execv(argv[0], argv);
		_exit(255);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 255)
		return ESCAPE_SKIP;
	return -WEXITSTATUS(status);
}

/* ---- the tree */

static int climb(const struct escape *t)
{
	int top = open("/", O_RDONLY | O_DIRECTORY);

	place();
	if (top < 0 || chroot(PLACE) < 0 || fchdir(top) < 0)
		return ESCAPE_SKIP;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return -errno;
	return access(escape_arg("path") + 1, F_OK) < 0 ? -errno : 0;
}

static int host_path(const struct escape *t)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s", t->path, escape_arg("path"));
	return access(path, F_OK) < 0 ? -errno : 0;
}

/* The old root after another pivot. */
static int pivot_out(const struct escape *t)
{
	place();
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", PLACE, "tmpfs", 0, NULL) < 0 ||
	    mkdir(PLACE "/old", 0755) < 0)
		return ESCAPE_SKIP;
	if (syscall(SYS_pivot_root, PLACE, PLACE "/old") < 0)
		return -errno;
	if (umount2("/old", MNT_DETACH) < 0)
		return -errno;
	return host_path(t);
}

static int by_handle(const struct escape *t)
{
	char space[sizeof(struct file_handle) + 8];
	struct file_handle *h = (struct file_handle *)space;
	int top = open("/", O_RDONLY | O_DIRECTORY);
	const uint32_t inode[2] = { 2, 0 };

	/* ext4's root directory, whatever lies between. */
	h->handle_bytes = sizeof(inode);
	h->handle_type = 1;
	memcpy(h->f_handle, inode, sizeof(inode));
	return open_by_handle_at(top, h, O_RDONLY) < 0 ? -errno : 0;
}

static int trusted_attribute(const struct escape *t)
{
	int fd = open("/tmp/attr", O_CREAT | O_WRONLY, 0600);

	close(fd);
	return setxattr("/tmp/attr", t->path, "/", 1, 0) < 0 ? -errno : 0;
}

/* Descriptors of the daemon that a program inherited. */
static int leaked_descriptor(const struct escape *t)
{
	for (int fd = 3; fd < 4096; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 0;
	return -EBADF;
}

/* ---- others' processes */

static int signal_host(const struct escape *t)
{
	return kill(number("pid"), 0) < 0 ? -errno : 0;
}

static int trace_host(const struct escape *t)
{
	return ptrace(PTRACE_SEIZE, number("pid"), 0, 0) < 0 ? -errno : 0;
}

static int read_host(const struct escape *t)
{
	char text[8];
	struct iovec to = { text, sizeof(text) },
		     from = { (void *)0x10000, sizeof(text) };

	return process_vm_readv(number("pid"), &to, 1, &from, 1, 0) < 0 ? -errno
									: 0;
}

static int pidfd_of_host(const struct escape *t)
{
	return syscall(SYS_pidfd_open, number("pid"), 0) < 0 ? -errno : 0;
}

static int proc_of_host(const struct escape *t)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", number("pid"), t->path);
	return open(path, O_RDONLY) < 0 ? -errno : 0;
}

static int parent_namespace(const struct escape *t)
{
	int fd = open(t->path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || ioctl(fd, NS_GET_PARENT) < 0 ? -errno : 0;
}

static int namespaces_of_init(const struct escape *t)
{
	int fd = open("/proc/1/ns/user", O_RDONLY | O_CLOEXEC);

	/* It is our own: nothing is won by entering it again. */
	return fd < 0 || setns(fd, CLONE_NEWUSER) < 0 ? -errno : 0;
}

/* ---- keys, ipc, sockets */

static int key_of_host(const struct escape *t)
{
	char text[64];

	return syscall(SYS_keyctl, KEYCTL_READ, number("key"), text,
		       sizeof(text)) < 0
		       ? -errno
		       : 0;
}

static int shared_memory(const struct escape *t)
{
	return shmget(number("shm"), 1, 0) < 0 ? -errno : 0;
}

static int message_queue(const struct escape *t)
{
	const char *name = escape_arg("mq");

	if (!name)
		return ESCAPE_SKIP;
	return mq_open(name, O_RDONLY) < 0 ? -errno : 0;
}

static int abstract_socket(const struct escape *t)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const char *name = escape_arg(t->path);

	if (!name)
		return ESCAPE_SKIP;
	snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, "%s", name);
	return connect(fd, (struct sockaddr *)&to,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				   strlen(name))) < 0
		       ? -errno
		       : 0;
}

static int path_socket(const struct escape *t)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", t->path);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

/* Interfaces of the machine: a VP has a loopback and at most eth0. */
static int foreign_interface(const struct escape *t)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *i = all; i && i->if_name; i++)
		if (strcmp(i->if_name, "lo") != 0 &&
		    strcmp(i->if_name, "eth0") != 0 &&
		    strncmp(i->if_name, "sit", 3) != 0 &&
		    strncmp(i->if_name, "tunl", 4) != 0 &&
		    strncmp(i->if_name, "ip6tnl", 6) != 0)
			return 0;
	return all ? -ENODEV : -errno;
}

static int audit_netlink(const struct escape *t)
{
	struct {
		struct nlmsghdr h;
		struct audit_status s;
	} m = { .h = { .nlmsg_len = sizeof(m),
		       .nlmsg_type = AUDIT_SET,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.s = { .mask = AUDIT_STATUS_ENABLED, .enabled = 0 } };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);

	if (fd < 0)
		return errno == EPROTONOSUPPORT ? ESCAPE_SKIP : -errno;
	if (sendto(fd, &m, sizeof(m), 0, (struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		return -errno;
	return answer.h.nlmsg_type == NLMSG_ERROR ? answer.e.error : -EBADMSG;
}

/* ---- cgroups */

static int cgroup_path(char path[256], const char *file)
{
	snprintf(path, 256, "/sys/fs/cgroup/%s", file);
	return access(path, F_OK) < 0 ? ESCAPE_SKIP : 0;
}

static int own_limits(const struct escape *t)
{
	char path[256];
	struct escape w = *t;

	if (cgroup_path(path, t->path))
		return ESCAPE_SKIP;
	w.path = path;
	return a_write(&w);
}

/* Version 1, on machines that have both: the hierarchy is the host's. */
static int release_agent(const struct escape *t)
{
	struct escape w = *t;

	place();
	if (mount("none", PLACE, "cgroup", 0, t->text) < 0)
		return -errno;
	w.path = PLACE "/release_agent"; /* only a root cgroup has it */
	w.text = "/tmp/agent";
	return access(w.path, F_OK) < 0 ? -EACCES : a_write(&w);
}

static int new_group_v1(const struct escape *t)
{
	place();
	if (mount("none", PLACE, "cgroup", 0, t->text) < 0)
		return -errno;
	return mkdir(PLACE "/mine", 0755) < 0 ? -errno : 0;
}

/* ---- ids and limits */

static int strange_id(const struct escape *t)
{
	return setresuid(70000, 70000, 70000) < 0 ? -errno : 0;
}

static int more_priority(const struct escape *t)
{
	return setpriority(PRIO_PROCESS, 0, -20) < 0 ? -errno : 0;
}

static int real_time(const struct escape *t)
{
	const struct sched_param p = { .sched_priority = 50 };

	return sched_setscheduler(0, SCHED_FIFO, &p) < 0 ? -errno : 0;
}

static int more_files(const struct escape *t)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_max += 100000;
	return setrlimit(RLIMIT_NOFILE, &l) < 0 ? -errno : 0;
}

static int all_files(const struct escape *t)
{
	for (int i = 0; i < 2000000; i++)
		if (dup(0) < 0)
			return -errno;
	return 0;
}

static int fill_disk(const struct escape *t)
{
	static char block[65536];
	int fd = open(t->path, O_CREAT | O_TRUNC | O_WRONLY, 0600), r = 0;

	for (int i = 0; r == 0 && i < 1024; i++)
		if (write(fd, block, sizeof(block)) < 0)
			r = -errno;
	unlink(t->path);
	return r;
}

static int set_clock(const struct escape *t)
{
	const struct timespec then = { .tv_sec = 1 };

	return syscall(SYS_clock_settime, CLOCK_REALTIME, &then) < 0 ? -errno
								     : 0;
}

static int slew_clock(const struct escape *t)
{
	struct timex x = { .modes = ADJ_FREQUENCY, .freq = 1 };

	return adjtimex(&x) < 0 ? -errno : 0;
}

static int type_into_terminal(const struct escape *t)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	char c = 'x';

	return fd < 0 || ioctl(fd, TIOCSTI, &c) < 0 ? -errno : 0;
}

/* The same with bits set that the kernel does not look at. */
static int type_with_high_bits(const struct escape *t)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	char c = 'x';

	return fd < 0 || syscall(SYS_ioctl, (long)fd, TIOCSTI | 1L << 40, &c) <
				       0
		       ? -errno
		       : 0;
}

static int line_discipline(const struct escape *t)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY), n = (int)t->arg[0];

	return fd < 0 || ioctl(fd, TIOCSETD, &n) < 0 ? -errno : 0;
}

/* Whether others have read a file of the base lately. */
static int cached_by_others(const struct escape *t)
{
	int fd = open("/bin/busybox", O_RDONLY), ends[2];
	char data = 0;
	struct iovec v = { &data, 1 };

	if (fd < 0 || pipe(ends) < 0 || write(ends[1], &data, 1) != 1)
		return -errno;
	if (syscall(SYS_preadv2, fd, &v, 1, 0, 0, t->arg[0]) == 1)
		return 0;
	/* No file of an overlay has it; a pipe does, for the same filter. */
	return syscall(SYS_preadv2, ends[0], &v, 1, -1L, -1L, t->arg[0]) < 0
		       ? -errno
		       : 0;
}

static int pty_of_host(const struct escape *t)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/pts/%d", number("pty"));
	return open(path, O_RDWR | O_NOCTTY) < 0 ? -errno : 0;
}

#define CALL(name_, want_, ...)                                                \
	{                                                                      \
		.name = #name_, .fn = a_call, .want = (want_),                 \
		.call = SYS_##name_,                                           \
		.arg = { __VA_ARGS__ }                                         \
	}
#define WRITE(name_, want_, path_, text_)                                      \
	{                                                                      \
		.name = (name_), .fn = a_write, .want = (want_), .or = EACCES, \
		.path = (path_), .text = (text_)                               \
	}
#define READ(name_, path_)                                                     \
	{                                                                      \
		.name = (name_), .fn = a_read, .want = EACCES, .or = ENOENT,   \
		.path = (path_)                                                \
	}
#define MOUNT(type_, options_)                                                 \
	{                                                                      \
		.name = "mount " type_, .fn = a_mount, .want = EPERM,          \
		.or = ENODEV, .path = (type_), .text = (options_)              \
	}
#define PATH(name_, fn_, want_, path_)                                         \
	{                                                                      \
		.name = (name_), .fn = (fn_), .want = (want_), .path = (path_) \
	}
#define HARMLESS(name_, fn_, want_, path_)                                     \
	{                                                                      \
		.name = (name_), .fn = (fn_), .want = (want_),                 \
		.path = (path_), .harmless = 1                                 \
	}
#define ONE(name_, fn_, want_) PATH(name_, fn_, want_, NULL)
#define SOCKET(name_, want_, ...)                                              \
	{                                                                      \
		.name = (name_), .fn = a_socket, .want = (want_),              \
		.arg = { __VA_ARGS__ }                                         \
	}

const struct escape escapes[] = {
	/* Devices. */
	{ "mknod of memory",
	  a_node,
	  EPERM,
	  0,
	  "/tmp/mem",
	  NULL,
	  0,
	  { S_IFCHR, 1, 1 } },
	{ "mknod of a disk",
	  a_node,
	  EPERM,
	  0,
	  "/tmp/disk",
	  NULL,
	  0,
	  { S_IFBLK, 8, 0 } },
	{ "mknod in /dev",
	  a_node,
	  EPERM,
	  0,
	  "/dev/kmsg",
	  NULL,
	  0,
	  { S_IFCHR, 1, 11 } },
	ONE("mknod on a tmpfs of its own", node_on_own_tmpfs, EPERM),
	PATH("node of the image", an_open, EACCES, "/nodes" NODE),
	ONE("node of the image through an overlay", node_through_overlay,
	    EACCES),
	ONE("denied node bound elsewhere", node_bound_elsewhere, EPERM),
	PATH("denied node by a setuid program", node_by_setuid, EPERM, DENIED),
	PATH("memory", an_open, ENOENT, "/dev/mem"),
	PATH("kernel log device", an_open, ENOENT, "/dev/kmsg"),
	PATH("loop devices", an_open, ENOENT, "/dev/loop-control"),
	ONE("terminal of the host", pty_of_host, ENOENT),
	ONE("typing into a terminal", type_into_terminal, EPERM),
	ONE("typing with high bits set", type_with_high_bits, EPERM),

	/* Mounts. */
	{ "remount / with devices", a_remount, EPERM, 0, "/", NULL, 0, { 0 } },
	{ "remount /sys writable",
	  a_remount,
	  EPERM,
	  0,
	  "/sys",
	  NULL,
	  0,
	  { MS_NOSUID | MS_NODEV | MS_NOEXEC } },
	{ "remount /proc/sys writable",
	  a_remount,
	  EPERM,
	  0,
	  "/proc/sys",
	  NULL,
	  0,
	  { MS_NOSUID | MS_NODEV | MS_NOEXEC } },
	PATH("umount /dev", an_umount, EINVAL, "/dev"),
	PATH("umount /proc/sys", an_umount, EINVAL, "/proc/sys"),
	PATH("umount /proc/keys", an_umount, EINVAL, "/proc/keys"),
	PATH("umount /sys/firmware", an_umount, EINVAL, "/sys/firmware"),
	PATH("copy /proc without its masks", a_peel, EINVAL, "/proc"),
	PATH("copy /proc without its masks, new way", a_peel_by_tree, EINVAL,
	     "/proc"),
	PATH("copy / without what is on it", a_peel, EINVAL, "/"),
	MOUNT("proc", NULL),
	MOUNT("sysfs", NULL),
	MOUNT("devtmpfs", NULL),
	MOUNT("debugfs", NULL),
	MOUNT("tracefs", NULL),
	MOUNT("securityfs", NULL),
	MOUNT("pstore", NULL),
	MOUNT("ext4", NULL),
	MOUNT("9p", "trans=virtio"),
	{ "cgroup release agent",
	  release_agent,
	  EACCES,
	  EPERM,
	  NULL,
	  "memory",
	  0,
	  { 0 } },
	{ "cgroup of version 1",
	  new_group_v1,
	  EACCES,
	  EPERM,
	  NULL,
	  "pids",
	  0,
	  { 0 } },

	/* The tree. */
	ONE("climb out of a chroot", climb, ENOENT),
	HARMLESS("a file of the host", host_path, ENOENT, ""),
	PATH("a file of the host by init's root", host_path, ENOENT,
	     "/proc/1/root"),
	PATH("a file of the host by its own root", host_path, ENOENT,
	     "/proc/self/root/../.."),
	PATH("pivot out", pivot_out, ENOENT, ""),
	ONE("open by handle", by_handle, EPERM),
	PATH("overlay attribute", trusted_attribute, EPERM,
	     "trusted.overlay.redirect"),
	PATH("attribute of a security module", trusted_attribute, EPERM,
	     "security.cells"),
	ONE("descriptor of the daemon", leaked_descriptor, EBADF),

	/* Processes and namespaces. */
	HARMLESS("signal the host", signal_host, ESRCH, NULL),
	ONE("ptrace the host", trace_host, ESRCH),
	ONE("read the host's memory", read_host, ESRCH),
	HARMLESS("pidfd of the host", pidfd_of_host, ESRCH, NULL),
	HARMLESS("memory file of the host", proc_of_host, ENOENT, "mem"),
	PATH("namespaces of the host", proc_of_host, ENOENT, "ns/mnt"),
	PATH("parent of the user namespace", parent_namespace, EPERM,
	     "/proc/self/ns/user"),
	PATH("parent of the pid namespace", parent_namespace, EPERM,
	     "/proc/self/ns/pid"),
	ONE("setns into its own user namespace", namespaces_of_init, EINVAL),
	{ "nested user namespace",
	  an_unshare,
	  ENOSPC,
	  0,
	  NULL,
	  NULL,
	  0,
	  { CLONE_NEWUSER } },
	WRITE("allow nested user namespaces", EROFS,
	      "/proc/sys/user/max_user_namespaces", "9"),
	WRITE("map more ids", EPERM, "/proc/self/uid_map", "0 0 4294967295"),
	ONE("an id that is not its own", strange_id, EINVAL),

	/* Keys, ipc, sockets. */
	HARMLESS("key of another", key_of_host, EPERM, NULL),
	CALL(add_key, EPERM, 0),
	CALL(request_key, EPERM, 0),
	READ("/proc/keys", "/proc/keys"),
	HARMLESS("shared memory of another", shared_memory, ENOENT, NULL),
	ONE("message queue of another", message_queue, ENOENT),
	HARMLESS("abstract socket of the host", abstract_socket, ECONNREFUSED,
		 "socket"),
	PATH("abstract socket of another VP", abstract_socket, ECONNREFUSED,
	     "other"),
	PATH("the host's system bus", path_socket, ENOENT,
	     "/run/dbus/system_bus_socket"),
	HARMLESS("interface of the host", foreign_interface, ENODEV, NULL),
	ONE("audit by netlink", audit_netlink, ECONNREFUSED),
	SOCKET("vsock", EAFNOSUPPORT, AF_VSOCK, SOCK_STREAM),
	SOCKET("crypto sockets", EAFNOSUPPORT, AF_ALG, SOCK_SEQPACKET),
	SOCKET("bluetooth sockets", EAFNOSUPPORT, AF_BLUETOOTH, SOCK_RAW),
	SOCKET("key sockets", EAFNOSUPPORT, AF_KEY, SOCK_RAW),
	SOCKET("NFC sockets", EAFNOSUPPORT, AF_NFC, SOCK_RAW),

	/* What makes the kernel load a module. */
	{ "line discipline",
	  line_discipline,
	  EPERM,
	  0,
	  NULL,
	  NULL,
	  0,
	  { 0 /* N_TTY: there without a module */ } },
	SOCKET("SCTP", EPROTONOSUPPORT, AF_INET, SOCK_STREAM, 132),
	SOCKET("DCCP", EPROTONOSUPPORT, AF_INET6, 6, 33),
	SOCKET("L2TP", EPROTONOSUPPORT, AF_INET, SOCK_DGRAM, 115),
	SOCKET("UDP as a stream", EPROTONOSUPPORT, AF_INET, SOCK_STREAM, 17),
	SOCKET("iSCSI by netlink", EPROTONOSUPPORT, AF_NETLINK, SOCK_RAW, 8),
	SOCKET("crypto by netlink", EPROTONOSUPPORT, AF_NETLINK, SOCK_RAW, 21),
	SOCKET("netlink of no known kind", EPROTONOSUPPORT, AF_NETLINK,
	       SOCK_RAW | SOCK_CLOEXEC, 31),

	/* The kernel. */
	CALL(init_module, EPERM, 0),
	CALL(finit_module, EPERM, 0),
	CALL(delete_module, EPERM, 0),
	CALL(kexec_load, EPERM, 0),
	CALL(reboot, EPERM, 0),
	CALL(syslog, EPERM, 3),
	CALL(bpf, EPERM, 0),
	CALL(perf_event_open, EPERM, 0),
	CALL(userfaultfd, EPERM, 0),
	CALL(io_uring_setup, ENOSYS, 1),
	CALL(io_setup, ENOSYS, 1),
	CALL(mincore, EPERM, 0, 0),
	{ "whether a page is cached",
	  cached_by_others,
	  EOPNOTSUPP,
	  0,
	  NULL,
	  NULL,
	  0,
	  { 8 /* RWF_NOWAIT */ } },
	CALL(kcmp, EPERM, 1, 1),
	CALL(swapon, EPERM, 0),
	CALL(acct, EPERM, 0),
	CALL(quotactl, EPERM, 0),
#ifdef SYS_iopl
	CALL(iopl, EPERM, 3),
	CALL(ioperm, EPERM, 0, 1, 1),
	CALL(modify_ldt, ENOSYS, 0),
#endif
	CALL(memfd_secret, ENOSYS, 0),
	{ "a call that nobody knows",
	  a_call,
	  ENOSYS,
	  0,
	  NULL,
	  NULL,
	  1000,
	  { 0 } },
	CALL(settimeofday, EPERM, 0),
	ONE("set the clock", set_clock, EPERM),
	ONE("slew the clock", slew_clock, EPERM),
	READ("kernel memory", "/proc/kcore"),
	READ("kernel log", "/proc/kmsg"),
	READ("timers of everybody", "/proc/timer_list"),
	READ("interrupts of everybody", "/proc/interrupts"),
	READ("debugfs", "/sys/kernel/debug/sleep_time"),
	WRITE("sysrq", EROFS, "/proc/sysrq-trigger", "h"),
	WRITE("core pattern", EROFS, "/proc/sys/kernel/core_pattern",
	      "|/tmp/x"),
	WRITE("module loader", EROFS, "/proc/sys/kernel/modprobe", "/tmp/x"),
	WRITE("sysctl", EROFS, "/proc/sys/vm/overcommit_memory", "1"),
	WRITE("uevent helper", EROFS, "/sys/kernel/uevent_helper", "/tmp/x"),
	WRITE("interrupt affinity", EROFS, "/proc/irq/default_smp_affinity",
	      "1"),
	WRITE("power state", EROFS, "/sys/power/state", "freeze"),
	WRITE("binfmt", EROFS, "/proc/sys/fs/binfmt_misc/register", ":x:"),

	/* What the VP is held to. */
	{ "limit of its memory",
	  own_limits,
	  EACCES,
	  0,
	  "memory.max",
	  "max",
	  0,
	  { 0 } },
	{ "limit of its processes",
	  own_limits,
	  EACCES,
	  0,
	  "pids.max",
	  "max",
	  0,
	  { 0 } },
	{ "kill switch of its cgroup",
	  own_limits,
	  EACCES,
	  0,
	  "cgroup.kill",
	  "1",
	  0,
	  { 0 } },
	{ "freezer of its cgroup",
	  own_limits,
	  EACCES,
	  0,
	  "cgroup.freeze",
	  "1",
	  0,
	  { 0 } },
	WRITE("last to be ended", EACCES, "/proc/self/oom_score_adj", "-900"),
	ONE("more priority", more_priority, EACCES),
	ONE("real time", real_time, EPERM),
	ONE("more files than its limit", more_files, EPERM),
	ONE("all files", all_files, EMFILE),
	PATH("fill /dev", fill_disk, ENOSPC, "/dev/filler"),
	{ 0 },
};

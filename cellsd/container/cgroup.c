/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/cgroup.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define MOUNTINFO "/proc/self/mountinfo"
/* So that the path of the deepest is one that can be read (PATH_MAX). */
#define DEPTH_MAX 14
#define VALUE_MAX 4096
#define WEIGHT_DEFAULT 100 /* of cpu and io, the kernel's own */
#define GROUPS_MAX "512"   /* below one VP */

static int write_cgroup_file(int dir, const char *name, const char *value)
{
	auto_close int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return -errno;
	return 0;
}

static int read_cgroup_file(int dir, const char *name, char value[VALUE_MAX])
{
	auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, value, VALUE_MAX - 1);
	if (n < 0)
		return -errno;
	value[n] = '\0';
	return 0;
}

/* Undoes the \ooo of mountinfo, in place. */
static void unescape_mountinfo_path(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && strspn(s + 1, "01234567") >= 3) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* The first cgroup2 mount that shows the hierarchy from its top. */
static int find_cgroup2_mount(char path[PATH_MAX], struct err *e)
{
	auto_fclose FILE *f = fopen(MOUNTINFO, "re");
	char line[PATH_MAX + 512];

	if (!f)
		return err_sys(e, errno, "open " MOUNTINFO);
	while (fgets(line, sizeof(line), f)) {
		const char *kind = strstr(line, " - ");
		char root[PATH_MAX];

		if (!kind || strncmp(kind, " - cgroup2 ", 11) != 0 ||
		    sscanf(line, "%*d %*d %*s %4095s %4095s", root, path) !=
			    2 ||
		    strcmp(root, "/") != 0)
			continue;
		unescape_mountinfo_path(path);
		return 0;
	}
	return err_reason(e, REASON_KERNEL,
			  "find a cgroup v2 mount: none in " MOUNTINFO);
}

/* Passes on what controllers the root has; the rest is reported as not
 * enforced. */
static void enable_controllers(int root)
{
	static const char *const wanted[] = { "+memory", "+cpu", "+pids",
					      "+io" };

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		write_cgroup_file(root, "cgroup.subtree_control", wanted[i]);
}

static int open_cgroup_folder(int dir, const char *name, int *ret,
			      struct err *e)
{
	auto_close int fd = openat(
		dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return err_sys(e, errno, "open cgroup %s", name);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_set(e, EINVAL, "open cgroup %s: no cgroup v2", name);
	*ret = steal_fd(fd);
	return 0;
}

int cgroup_root_open(const char *name, int *ret, struct err *e)
{
	char path[PATH_MAX], procs[VALUE_MAX] = "";
	auto_close int mount = -1, fd = -1;
	int r;

	r = find_cgroup2_mount(path, e);
	if (r < 0)
		return r;
	mount = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return err_sys(e, errno, "open %s", path);
	if (mkdirat(mount, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make cgroup %s/%s", path, name);
	r = open_cgroup_folder(mount, name, &fd, e);
	if (r < 0)
		return r;
	r = read_cgroup_file(fd, "cgroup.procs", procs);
	if (r < 0)
		return err_sys(e, -r, "read cgroup %s/%s", path, name);
	if (procs[0])
		return err_set(e, EBUSY,
			       "use cgroup %s/%s: it holds processes itself",
			       path, name);
	enable_controllers(mount);
	enable_controllers(fd);
	*ret = steal_fd(fd);
	return 0;
}

void cgroup_root_close(int root, const char *name)
{
	auto_close int up = -1;

	if (root < 0)
		return;
	/* Only an empty one goes; then it is there for nothing. */
	up = openat(root, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (up >= 0)
		unlinkat(up, name, AT_REMOVEDIR);
	close(root);
}

/* What the VP's own init may manage (/sys/kernel/cgroup/delegate). */
static int delegate_to_owner(int cgroup, uid_t owner, struct err *e)
{
	static const char *const files[] = {
		"cgroup.procs",
		"cgroup.threads",
		"cgroup.subtree_control",
		"memory.oom.group",
	};
	char depth[16];
	int r = write_cgroup_file(cgroup, "cgroup.max.descendants", GROUPS_MAX);

	/* No deeper than we look. */
	snprintf(depth, sizeof(depth), "%d", DEPTH_MAX);
	if (r == 0)
		r = write_cgroup_file(cgroup, "cgroup.max.depth", depth);
	if (r < 0)
		return err_sys(e, -r, "bound the VP's cgroups");
	if (fchown(cgroup, owner, owner) < 0)
		return err_sys(e, errno, "give the VP its cgroup");
	/* Not every kernel and controller has each. */
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (fchownat(cgroup, files[i], owner, owner, 0) < 0 &&
		    errno != ENOENT)
			return err_sys(e, errno, "give the VP its %s",
				       files[i]);
	return 0;
}

int cgroup_new(int root, const char *name, uid_t owner, int *ret, struct err *e)
{
	auto_close int cgroup = -1;
	int r;

	if (mkdirat(root, name, 0755) < 0)
		return err_sys(e, errno, "make cgroup %s", name);
	r = open_cgroup_folder(root, name, &cgroup, e);
	if (r == 0)
		r = delegate_to_owner(cgroup, owner, e);
	if (r < 0) {
		unlinkat(root, name, AT_REMOVEDIR);
		return r;
	}
	*ret = steal_fd(cgroup);
	return 0;
}

int cgroup_open(int root, const char *name, int *ret, struct err *e)
{
	return open_cgroup_folder(root, name, ret, e);
}

int cgroup_open_child(int cgroup, const char *name, int *ret, struct err *e)
{
	if (mkdirat(cgroup, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make cgroup %s", name);
	return open_cgroup_folder(cgroup, name, ret, e);
}

static bool set_cgroup_limit(int cgroup, const char *file, uint64_t value)
{
	char text[32];

	if (value)
		snprintf(text, sizeof(text), "%" PRIu64, value);
	else
		snprintf(text, sizeof(text), "max");
	return write_cgroup_file(cgroup, file, text) == 0;
}

/* Of two io controllers (iocost, bfq) a kernel has one or none. */
static bool set_io_weight(int cgroup, uint32_t weight)
{
	return set_cgroup_limit(cgroup, "io.weight", weight) ||
	       set_cgroup_limit(cgroup, "io.bfq.weight",
				weight > 1000 ? 1000 : weight);
}

static void format_io_rate(uint64_t value, char ret[24])
{
	if (value)
		snprintf(ret, 24, "%" PRIu64, value);
	else
		snprintf(ret, 24, "max");
}

/* What is written later is its own only where memory is counted beside io. */
static bool is_writeback_counted(int cgroup)
{
	return faccessat(cgroup, "memory.max", F_OK, 0) == 0;
}

/* The line takes the place of the one there was for this disk. */
static unsigned int set_io_rate_limits(int cgroup,
				       const struct cgroup_limits *l)
{
	char read[24], write[24], text[96];

	format_io_rate(l->io_read_max, read);
	format_io_rate(l->io_write_max, write);
	snprintf(text, sizeof(text), "%u:%u rbps=%s wbps=%s", major(l->disk),
		 minor(l->disk), read, write);
	if (l->disk && write_cgroup_file(cgroup, "io.max", text) == 0)
		return l->io_write_max && !is_writeback_counted(cgroup)
			       ? CGROUP_LIMIT_WRITE
			       : 0;
	return (l->io_read_max ? CGROUP_LIMIT_READ : 0u) |
	       (l->io_write_max ? CGROUP_LIMIT_WRITE : 0u);
}

void cgroup_clear_io_limits(int cgroup, dev_t disk)
{
	const struct cgroup_limits none = { .disk = disk };

	set_io_rate_limits(cgroup, &none);
}

unsigned int cgroup_set_limits(int cgroup, const struct cgroup_limits *l)
{
	unsigned int lacking = 0;

	if (!set_cgroup_limit(cgroup, "memory.max", l->memory_max) &&
	    l->memory_max)
		lacking |= CGROUP_LIMIT_MEMORY;
	if (!set_cgroup_limit(cgroup, "pids.max", l->pids_max) && l->pids_max)
		lacking |= CGROUP_LIMIT_PIDS;
	if (!set_cgroup_limit(cgroup, "cpu.weight",
			      l->cpu_weight ? l->cpu_weight : WEIGHT_DEFAULT) &&
	    l->cpu_weight)
		lacking |= CGROUP_LIMIT_CPU;
	if (!set_io_weight(cgroup,
			   l->io_weight ? l->io_weight : WEIGHT_DEFAULT) &&
	    l->io_weight)
		lacking |= CGROUP_LIMIT_IO;
	return lacking | set_io_rate_limits(cgroup, l);
}

unsigned int cgroup_get_unsupported_limits(int group)
{
	static const struct {
		unsigned int limits;
		const char *file, *other;
	} files[] = {
		{ CGROUP_LIMIT_MEMORY, "memory.max", NULL },
		{ CGROUP_LIMIT_CPU, "cpu.weight", NULL },
		{ CGROUP_LIMIT_PIDS, "pids.max", NULL },
		{ CGROUP_LIMIT_IO, "io.weight", "io.bfq.weight" },
		{ CGROUP_LIMIT_READ | CGROUP_LIMIT_WRITE, "io.max", NULL },
		{ CGROUP_LIMIT_WRITE, "memory.max", NULL },
	};
	unsigned int lacking = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (faccessat(group, files[i].file, W_OK, 0) < 0 &&
		    (!files[i].other ||
		     faccessat(group, files[i].other, W_OK, 0) < 0))
			lacking |= files[i].limits;
	return lacking;
}

/* The number behind "key " in cgroup.events. */
static int read_cgroup_event(int cgroup, const char *key)
{
	char text[VALUE_MAX];
	const char *at;
	int r = read_cgroup_file(cgroup, "cgroup.events", text);

	if (r < 0)
		return r;
	at = strstr(text, key);
	return at && at[strlen(key)] == ' ' && at[strlen(key) + 1] == '1';
}

int cgroup_open_events(int cgroup, int *ret, struct err *e)
{
	int fd = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open cgroup.events");
	*ret = fd;
	return 0;
}

/* Writes "1", and waits until the event has that value. */
static int write_and_wait_for_event(int cgroup, const char *name,
				    const char *event, int value, int ms)
{
	auto_close int fd =
		openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	int r;

	if (fd < 0)
		return -errno;
	r = write_cgroup_file(cgroup, name, "1");
	while (r == 0) {
		char text[VALUE_MAX];

		/* Reading arms the poll; so read, look, then wait. */
		if (pread(fd, text, sizeof(text), 0) < 0)
			return -errno;
		if (read_cgroup_event(cgroup, event) == value)
			return 0;
		if (poll(&p, 1, ms) <= 0)
			return -ETIMEDOUT;
	}
	return r;
}

int cgroup_freeze(int cgroup, int ms)
{
	return write_and_wait_for_event(cgroup, "cgroup.freeze", "frozen", 1,
					ms);
}

int cgroup_thaw(int cgroup)
{
	return write_cgroup_file(cgroup, "cgroup.freeze", "0");
}

int cgroup_kill(int cgroup)
{
	return write_cgroup_file(cgroup, "cgroup.kill", "1");
}

int cgroup_kill_and_wait(int cgroup, int ms)
{
	return write_and_wait_for_event(cgroup, "cgroup.kill", "populated", 0,
					ms);
}

int cgroup_is_populated(int cgroup)
{
	return read_cgroup_event(cgroup, "populated");
}

uint64_t cgroup_get_memory_usage(int cgroup)
{
	char text[VALUE_MAX];

	return read_cgroup_file(cgroup, "memory.current", text) < 0
		       ? 0
		       : strtoull(text, NULL, 10);
}

/* kernfs gives types. */
static bool is_child_cgroup(const struct dirent *d)
{
	return d->d_type == DT_DIR && strcmp(d->d_name, ".") != 0 &&
	       strcmp(d->d_name, "..") != 0;
}

/* Lists dir by a descriptor of its own. NULL: see errno. */
static DIR *open_cgroup_listing(int dir)
{
	auto_close int fd =
		openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)steal_fd(fd);
	return d;
}

static int remove_child_cgroups(int dir, int depth)
{
	auto_closedir DIR *d = open_cgroup_listing(dir);
	struct dirent *entry;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (entry = readdir(d))) {
		auto_close int sub = -1;

		if (!is_child_cgroup(entry))
			continue;
		sub = openat(dir, entry->d_name,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			continue;
		r = depth > DEPTH_MAX ? -ELOOP
				      : remove_child_cgroups(sub, depth + 1);
		if (r == 0 && unlinkat(dir, entry->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	return r;
}

int cgroup_remove(int root, const char *name, struct err *e)
{
	auto_close int fd = -1;
	int r = open_cgroup_folder(root, name, &fd, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = remove_child_cgroups(fd, 0);
	if (r < 0)
		return err_sys(e, -r, "remove what is below cgroup %s", name);
	if (unlinkat(root, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove cgroup %s", name);
	return 0;
}

int cgroup_contains_process(const char *name, int proc)
{
	auto_close int fd = openat(proc, "cgroup", O_RDONLY | O_CLOEXEC);
	size_t len = strlen(name);
	char text[VALUE_MAX];
	const char *at;
	ssize_t n;

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	at = strstr(text, "0::/");
	at = at ? strstr(at, name) : NULL;
	return at && at[-1] == '/' && (at[len] == '\n' || at[len] == '/');
}

static int each_pid_in_cgroup(int dir, cgroup_pid_fn *fn, void *arg)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	auto_fclose FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	int pid, r;

	if (!f)
		return -errno;
	while (fscanf(f, "%d", &pid) == 1) {
		r = fn(arg, pid);
		if (r < 0)
			return r;
	}
	return ferror(f) ? -errno : 0;
}

static int each_pid_in_subtree(int dir, int depth, cgroup_pid_fn *fn, void *arg)
{
	auto_closedir DIR *d = open_cgroup_listing(dir);
	struct dirent *entry;
	int r;

	if (!d)
		return -errno;
	r = each_pid_in_cgroup(dir, fn, arg);
	/* A threaded cgroup below does not list processes. */
	if (r == -EOPNOTSUPP)
		r = 0;
	while (r == 0) {
		auto_close int sub = -1;

		errno = 0;
		entry = readdir(d);
		if (!entry)
			return -errno;
		if (!is_child_cgroup(entry))
			continue;
		sub = openat(dir, entry->d_name,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			r = errno == ENOENT ? 0 : -errno;
		else
			r = depth < DEPTH_MAX ? each_pid_in_subtree(
							sub, depth + 1, fn, arg)
					      : -ELOOP;
	}
	return r;
}

int cgroup_each_pid(int cgroup, cgroup_pid_fn *fn, void *arg)
{
	return each_pid_in_subtree(cgroup, 0, fn, arg);
}

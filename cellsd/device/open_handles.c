/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/open_handles.h"

#include "cellsd/container/cgroup.h"
#include "lib/auto.h"
#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FREEZE_MS 100
#define VICTIMS_MAX 256
#define DEATH_MS 2000
#define SEARCH_NS (UINT64_C(1000) * 1000 * 1000)
#define STAT_SIZE 1024
#define IIO_NAME "anon_inode:iio:"

struct handle_search {
	const struct open_handles_request *order;
	struct open_handles_count *counts;
	pid_t pid;
	uint32_t held; /* classes that the process at hand holds */
	struct open_handles_count own[CELLS_CLASS_COUNT]; /* of that process */
	int victim[VICTIMS_MAX];			  /* pidfds */
	unsigned int n_victims;
	uint64_t until_ns; /* cpu: a VP does not decide how long we look */
	bool is_frozen;
	int failed; /* the first -errno: there may be handles that nobody saw */
};

/* What ended meanwhile holds nothing. */
static void record_search_failure(struct handle_search *s, int code)
{
	if (s->failed == 0 && code != ENOENT && code != ESRCH)
		s->failed = -code;
}

static DIR *open_proc_folder(struct handle_search *s, int proc,
			     const char *path)
{
	auto_close int fd =
		openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		record_search_failure(s, errno);
	else
		(void)steal_fd(fd);
	return d;
}

static bool is_search_overdue(struct handle_search *s)
{
	bool late = clock_cpu_ns() > s->until_ns;

	if (late)
		record_search_failure(s, ETIMEDOUT);
	return late;
}

static const char *read_next_name(struct handle_search *s, DIR *d)
{
	struct dirent *entry;

	if (is_search_overdue(s))
		return NULL;
	errno = 0;
	entry = readdir(d);
	if (!entry)
		record_search_failure(s, errno);
	return entry ? entry->d_name : NULL;
}

static uint32_t get_node_lost_classes(const struct open_handles_request *o,
				      bool block, uint32_t major,
				      uint32_t minor)
{
	for (size_t i = 0; i < o->n_nodes; i++) {
		const struct backend_node *n = &o->nodes[i];

		if (n->block == block && n->major == major && n->minor == minor)
			return n->classes & o->lost;
	}
	return 0;
}

/* Drivers of sensors give files without a node (IIO_BUFFER_GET_FD). */
static uint32_t get_iio_lost_classes(const struct open_handles_request *o,
				     int dir, const char *fd)
{
	char target[sizeof(IIO_NAME)] = "";

	if (!(o->lost & 1U << CELLS_CLASS_SENSORS) ||
	    readlinkat(dir, fd, target, sizeof(target)) < 0)
		return 0;
	return strncmp(target, IIO_NAME, strlen(IIO_NAME)) == 0
		       ? 1U << CELLS_CLASS_SENSORS
		       : 0;
}

/* The lost classes of an open file or mapping. */
static uint32_t get_file_lost_classes(const struct open_handles_request *o,
				      int dir, const char *fd,
				      const struct statx *st)
{
	switch (st->stx_mode & S_IFMT) {
	case S_IFCHR:
	case S_IFBLK:
		return get_node_lost_classes(o, S_ISBLK(st->stx_mode),
					     st->stx_rdev_major,
					     st->stx_rdev_minor);
	case 0:
		return get_iio_lost_classes(o, dir, fd);
	default:
		return 0;
	}
}

static void count_class_handles(struct handle_search *s, uint32_t classes,
				bool mapping)
{
	s->held |= classes;
	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		if (!(classes >> c & 1))
			continue;
		if (mapping)
			s->own[c].mappings++;
		else
			s->own[c].handles++;
	}
}

/* A handle made with O_PATH can do nothing. */
static bool is_o_path_handle(int proc, const char *task, const char *fd)
{
	char path[512], text[256];
	auto_close int info = -1;
	const char *flags;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/fdinfo/%s", task, fd);
	info = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	flags = strstr(text, "flags:");
	return flags && strtoul(flags + 6, NULL, 8) & O_PATH;
}

/*
 * Each entry of proc/<task>/<folder> is a link to what is open or mapped. How
 * many there are.
 */
static unsigned int scan_handle_links(struct handle_search *s, int proc,
				      const char *task, bool mapping)
{
	auto_closedir DIR *d = NULL;
	unsigned int n = 0;
	const char *name;
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", task,
		 mapping ? "map_files" : "fd");
	d = open_proc_folder(s, proc, path);
	while (d && (name = read_next_name(s, d))) {
		struct statx st;
		uint32_t classes;

		if (name[0] == '.')
			continue;
		n++;
		/*
		 * What is cached is enough. A file system that a program of the
		 * VP serves must not be asked: that program is frozen. Such
		 * a one is closed to us (EACCES) and can have no device nodes.
		 */
		if (statx(dirfd(d), name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) <
		    0) {
			if (errno != EACCES)
				record_search_failure(s, errno);
			continue;
		}
		classes = get_file_lost_classes(s->order, dirfd(d), name, &st);
		if (classes && (mapping || !is_o_path_handle(proc, task, name)))
			count_class_handles(s, classes, mapping);
	}
	return n;
}

/* A line of numbers behind the program's name: its state, and its terminal. */
static bool read_task_stat(struct handle_search *s, int proc, const char *task,
			   char *ret_state, unsigned int *ret_tty)
{
	char path[80], text[STAT_SIZE];
	auto_close int fd = -1;
	const char *at;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stat", task);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		record_search_failure(s, errno);
		return false;
	}
	text[n] = '\0';
	at = strrchr(text, ')');
	return at && sscanf(at, ") %c %*d %*d %*d %u", ret_state, ret_tty) == 2;
}

/* /dev/tty is another name of it, which is always allowed (tty(4)). */
static void count_controlling_tty(struct handle_search *s, int proc)
{
	unsigned int tty = 0;
	uint32_t lost;
	char state;

	if (!read_task_stat(s, proc, ".", &state, &tty) || tty == 0)
		return;
	lost = get_node_lost_classes(s->order, false, tty >> 8 & 0xfff,
				     (tty & 0xff) | (tty >> 12 & 0xfff00));
	count_class_handles(s, lost & ~s->held, false);
}

/*
 * What has not stopped may be within an open that was allowed, and has no
 * handle to be seen yet.
 */
static void detect_pending_open(struct handle_search *s, int proc,
				const char *task)
{
	static const long opens[] = {
#ifdef SYS_open
		SYS_open,
#endif
		SYS_openat, SYS_openat2
	};
	char path[80], text[64], state = 0;
	auto_close int fd = -1;
	unsigned int tty;
	ssize_t n;

	if (s->is_frozen || !read_task_stat(s, proc, task, &state, &tty) ||
	    state != 'D')
		return;
	snprintf(path, sizeof(path), "%s/syscall", task);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		record_search_failure(s, errno);
		return;
	}
	text[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(opens); i++)
		if (strtol(text, NULL, 10) == opens[i])
			s->held |= s->order->lost;
}

/*
 * Threads that do not share the process's table of files have one of their own;
 * and where the first thread has ended, they alone have its memory.
 */
static void scan_process_threads(struct handle_search *s, int proc,
				 bool has_memory)
{
	auto_closedir DIR *d = open_proc_folder(s, proc, "task");
	const char *name;

	while (d && (name = read_next_name(s, d))) {
		pid_t tid = atoi(name);
		char task[64];

		if (tid <= 0)
			continue;
		snprintf(task, sizeof(task), "task/%d", (int)tid);
		detect_pending_open(s, proc, task);
		if (tid != s->pid &&
		    syscall(SYS_kcmp, s->pid, tid, KCMP_FILES, 0, 0) != 0)
			scan_handle_links(s, proc, task, false);
		/* In task/ there is no such list. */
		snprintf(task, sizeof(task), "../%d", (int)tid);
		if (!has_memory && tid != s->pid)
			has_memory = scan_handle_links(s, proc, task, true) > 0;
	}
}

/*
 * Safe because the process was seen in the cgroup through `proc`, which means
 * one process only, and is still alive behind pidfd_open(2): the same one.
 */
static void add_kill_victim(struct handle_search *s, int proc)
{
	int fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	int r;

	if (fd < 0) {
		record_search_failure(s, errno);
		return;
	}
	r = cgroup_contains_process(s->order->cgroup_name, proc);
	if (r <= 0) {
		record_search_failure(s, -r);
		close(fd);
		return;
	}
	if (s->n_victims == VICTIMS_MAX) {
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		close(fd);
		return;
	}
	s->victim[s->n_victims++] = fd;
}

static int scan_process_handles(void *arg, pid_t pid)
{
	struct handle_search *s = arg;
	auto_close int proc = -1;
	char path[32];
	int r;

	if (is_search_overdue(s))
		return -ETIMEDOUT;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = proc < 0 ? -errno
		     : cgroup_contains_process(s->order->cgroup_name, proc);
	if (r <= 0) {
		record_search_failure(s, -r);
		return 0;
	}
	s->pid = pid;
	s->held = 0;
	memset(s->own, 0, sizeof(s->own));
	scan_handle_links(s, proc, ".", false);
	scan_process_threads(s, proc,
			     scan_handle_links(s, proc, ".", true) > 0);
	count_controlling_tty(s, proc);
	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		s->counts[c].handles += s->own[c].handles;
		s->counts[c].mappings += s->own[c].mappings;
		/* Who is ended loses the handles of all its classes. */
		if (!(s->held & s->order->kill))
			s->counts[c].kept +=
				s->own[c].handles + s->own[c].mappings;
	}
	if (s->held & s->order->kill)
		add_kill_victim(s, proc);
	return 0;
}

static void kill_victims(struct handle_search *s)
{
	for (unsigned int i = 0; i < s->n_victims; i++)
		if (syscall(SYS_pidfd_send_signal, s->victim[i], SIGKILL, NULL,
			    0) < 0)
			record_search_failure(s, errno);
}

/* A handle is gone when its holder is. */
static int wait_for_victims(struct handle_search *s)
{
	int r = 0;

	for (unsigned int i = 0; i < s->n_victims; i++) {
		struct pollfd p = { .fd = s->victim[i], .events = POLLIN };

		if (r == 0 && poll(&p, 1, DEATH_MS) <= 0)
			r = -ETIMEDOUT;
		close(s->victim[i]);
	}
	return r;
}

int open_handles_revoke(const struct open_handles_request *o,
			struct open_handles_count counts[CELLS_CLASS_COUNT])
{
	struct handle_search s = { .order = o,
				   .counts = counts,
				   .until_ns = clock_cpu_ns() + SEARCH_NS };
	int r, frozen;

	/* The barrier: an open that was under way is done or never began. */
	frozen = cgroup_freeze(o->cgroup, FREEZE_MS);
	s.is_frozen = frozen == 0;
	/* Else it has not even started to stop. */
	if (frozen != -ETIMEDOUT)
		record_search_failure(&s, -frozen);
	r = cgroup_each_pid(o->cgroup, scan_process_handles, &s);
	record_search_failure(&s, -r);
	kill_victims(&s);
	/* What cannot be looked for may not run on. */
	if (s.failed < 0 && o->kill)
		cgroup_kill(o->cgroup);
	/* Better ended than stopped for ever. */
	if (cgroup_thaw(o->cgroup) < 0)
		cgroup_kill(o->cgroup);
	r = wait_for_victims(&s);
	if (s.failed < 0)
		return s.failed;
	return frozen < 0 ? frozen : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in a VP and takes what all VPs share. `exhaust all NAME SECONDS
 * [ARGUMENT]` takes until it is refused, or for SECONDS, says "NAME: COUNT,
 * ERROR" and holds all of it for as long as it is left running. `exhaust one
 * NAME [ARGUMENT]` takes one, and says "NAME: 1, Success" if it got it. For
 * test_exhaustion.py.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILDREN_MAX 48
#define MEGABYTE (1024 * 1024)

static const char *argument = "";
static long taken;

static int result(long r)
{
	return r < 0 ? -errno : 0;
}

/* A child that does `fn` and stays; what it could not do is ours. */
static int in_child(int (*fn)(void))
{
	int channel[2], r = -EIO;
	pid_t pid;

	if (pipe2(channel, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		r = fn();
		if (write(channel[1], &r, sizeof(r)) < 0 || r < 0)
			_exit(0);
		for (;;)
			pause();
	}
	close(channel[1]);
	if (read(channel[0], &r, sizeof(r)) < 0)
		r = -errno;
	close(channel[0]);
	return r;
}

/* ---- counted for a user */

static int an_inotify(void)
{
	return result(inotify_init1(IN_CLOEXEC));
}

static int a_fanotify(void)
{
	return result(fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, 0));
}

static int a_queue(void)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	char name[32];

	snprintf(name, sizeof(name), "/q%d.%ld", getpid(), taken);
	return result(mq_open(name, O_CREAT | O_RDWR, 0600, &attr));
}

static int a_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	timer_t timer;

	return result(timer_create(CLOCK_MONOTONIC, &event, &timer));
}

static int a_signal(void)
{
	const union sigval value = { .sival_int = 1 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return result(sigqueue(getpid(), SIGRTMIN, value));
}

static int a_pipe(void)
{
	int p[2];

	if (pipe(p) < 0)
		return -errno;
	return result(fcntl(p[1], F_SETPIPE_SZ, MEGABYTE));
}

static int a_watch(void)
{
	static int epoll = -1;
	struct epoll_event event = { .events = EPOLLIN };
	int p[2];

	if (epoll < 0)
		epoll = epoll_create1(0);
	return pipe(p) < 0
		       ? -errno
		       : result(epoll_ctl(epoll, EPOLL_CTL_ADD, p[0], &event));
}

/* ---- counted for all */

static int a_terminal(void)
{
	return result(open("/dev/ptmx", O_RDWR | O_NOCTTY));
}

static int open_all(void)
{
	while (open("/dev/null", O_RDONLY) >= 0)
		continue;
	return errno == EMFILE ? 0 : -errno;
}

static int a_process_of_files(void)
{
	return taken < CHILDREN_MAX ? in_child(open_all) : -EMFILE;
}

static int nothing(void)
{
	return 0;
}

static int a_process(void)
{
	return in_child(nothing);
}

static int take_memory(void)
{
	char *m = mmap(NULL, 8 * MEGABYTE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		return -errno;
	memset(m, 1, 8 * MEGABYTE);
	return 0;
}

/* By children: the kernel ends one of them, and not the one that reports it. */
static int some_memory(void)
{
	return in_child(take_memory);
}

static int write_to(const char *path, size_t size)
{
	static char data[MEGABYTE];
	static int fd = -1;

	if (fd < 0)
		fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
	return fd < 0 ? -errno : result(write(fd, data, size));
}

static int a_megabyte(void)
{
	return write_to("/filler", MEGABYTE);
}

/* What is not written to the disk yet; the file stays small. */
static int a_dirty_page(void)
{
	int fd = open("/dirty", O_CREAT | O_WRONLY, 0600);
	static char data[MEGABYTE];
	int r = fd < 0 ? -errno
		       : result(pwrite(fd, data, sizeof(data),
				       taken % 16 * MEGABYTE));

	close(fd);
	return r;
}

static int an_inode(void)
{
	char path[32];
	int fd;

	mkdir("/inodes", 0700);
	snprintf(path, sizeof(path), "/inodes/%ld", taken);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* ---- of namespaces */

static int a_segment(void)
{
	return result(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
}

static int a_semaphore(void)
{
	return result(semget(IPC_PRIVATE, 250, IPC_CREAT | 0600));
}

static int a_message_queue(void)
{
	return result(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
}

static int new_network(void)
{
	return result(unshare(CLONE_NEWNET));
}

static int a_network_namespace(void)
{
	return in_child(new_network);
}

/* They go with the process. */
static int a_mount(void)
{
	if (taken == 0 && unshare(CLONE_NEWNS) < 0)
		return -errno;
	mkdir("/tmp/mounts", 0700);
	return result(mount("none", "/tmp/mounts", "tmpfs", 0, "size=4k"));
}

static int a_cgroup(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/g%d.%ld", getpid(), taken);
	return result(mkdir(path, 0755));
}

/* ---- the network */

/* The argument is a network behind eth0, as 10.214.0.0. */
static int a_neighbour(void)
{
	static int fd = -1;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	to.sin_addr.s_addr = htonl(ntohl(inet_addr(argument)) +
				   (uint32_t)(taken % 65000) + 1);
	return sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
			       errno != EAGAIN
		       ? -errno
		       : 0;
}

/*
 * A flow that was answered, which is remembered for longer. The argument is
 * the address of a server whose port 53 answers. Of what is not answered in
 * time nothing is said: the VP cannot know.
 */
static int a_flow(void)
{
	static const char question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\1x\0\0\1\0\1";
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(53),
				  .sin_addr.s_addr = inet_addr(argument) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r = fd < 0 ? -errno
		       : result(sendto(fd, question, sizeof(question) - 1, 0,
				       (struct sockaddr *)&to, sizeof(to)));

	if (r == 0)
		poll(&p, 1, 1);
	close(fd);
	return r;
}

static int a_socket(void)
{
	static char data[65536];
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) < 0)
		return -errno;
	while (write(s[0], data, sizeof(data)) > 0)
		continue;
	return 0;
}

static int a_netlink_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, 0), size = MEGABYTE;

	if (fd < 0)
		return -errno;
	return result(
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
}

/* ---- not there at all */

static int a_key(void)
{
	char name[32];

	snprintf(name, sizeof(name), "key %ld", taken);
	return result(syscall(SYS_add_key, "user", name, "x", 1, -2));
}

static int an_aio(void)
{
	unsigned long context = 0;

	return result(syscall(SYS_io_setup, 1024, &context));
}

static int a_ring(void)
{
	char parameters[120] = { 0 };

	return result(syscall(SYS_io_uring_setup, 64, parameters));
}

static int a_bpf_map(void)
{
	struct {
		unsigned int type, key, value, entries;
	} attr = { 2, 4, 4096, 1024 };

	return result(syscall(SYS_bpf, 0, &attr, sizeof(attr)));
}

static int a_loop_device(void)
{
	return result(open("/dev/loop-control", O_RDWR));
}

static int a_log_line(void)
{
	int fd = open("/dev/kmsg", O_WRONLY);

	return fd < 0 ? -errno : result(write(fd, "exhaust\n", 8));
}

static int a_uevent(void)
{
	int fd = open("/sys/devices/virtual/mem/null/uevent", O_WRONLY);

	return fd < 0 ? -errno : result(write(fd, "change", 6));
}

static int a_module(void)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY), slip = 1;

	return fd < 0 ? -errno : result(ioctl(fd, TIOCSETD, &slip));
}

static const struct {
	const char *name;
	int (*fn)(void);
} things[] = {
	{ "aio", an_aio },
	{ "bpf", a_bpf_map },
	{ "cgroups", a_cgroup },
	{ "conntrack", a_flow },
	{ "dirty-pages", a_dirty_page },
	{ "disk", a_megabyte },
	{ "epoll", a_watch },
	{ "fanotify", a_fanotify },
	{ "files", a_process_of_files },
	{ "inodes", an_inode },
	{ "inotify", an_inotify },
	{ "io-uring", a_ring },
	{ "kernel-log", a_log_line },
	{ "keys", a_key },
	{ "loop-devices", a_loop_device },
	{ "memory", some_memory },
	{ "message-queues", a_message_queue },
	{ "modules", a_module },
	{ "mounts", a_mount },
	{ "neighbours", a_neighbour },
	{ "netlink", a_netlink_socket },
	{ "network-namespaces", a_network_namespace },
	{ "pipes", a_pipe },
	{ "posix-queues", a_queue },
	{ "processes", a_process },
	{ "semaphores", a_semaphore },
	{ "shared-memory", a_segment },
	{ "signals", a_signal },
	{ "sockets", a_socket },
	{ "terminals", a_terminal },
	{ "timers", a_timer },
	{ "uevents", a_uevent },
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int say(const char *name, int r)
{
	printf("%s: %ld, %s\n", name, taken, r < 0 ? strerror(-r) : "Success");
	fflush(stdout);
	return r;
}

int main(int argc, char **argv)
{
	int all = argc > 3 && strcmp(argv[1], "all") == 0, r = 0;
	double end = all ? now() + atof(argv[3]) : 0;
	struct rlimit most;

	if (argc < 3 || (!all && strcmp(argv[1], "one") != 0))
		return 64;
	if (argc > 3 + all)
		argument = argv[3 + all];
	/* All that it may have. */
	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
		if (strcmp(things[i].name, argv[2]) != 0)
			continue;
		do {
			r = things[i].fn();
			taken += r == 0;
		} while (all && r == 0 && now() < end);
		say(argv[2], r);
		while (all)
			pause();
		return r < 0;
	}
	fprintf(stderr, "exhaust: there is no '%s'\n", argv[2]);
	return 64;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that use devices without pause while somebody takes them away:
 * threads that open, ask, map, read, poll, pass on and close, and processes
 * that are killed in the middle of it. Any error is fine; a crash of the kernel
 * is not. stress SECONDS THREADS NODE...
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/videodev2.h>

#define BUFFERS 2
#define MAP_LEN 4096
#define THREADS_MAX 64

static char **nodes;
static unsigned int node_count;
static time_t end;

/* Shared by all processes: it outlives the one that counts. */
static struct counts {
	atomic_ulong opened, refused, calls, denied, faults;
} * count;

static _Thread_local sigjmp_buf escape;
static _Thread_local volatile sig_atomic_t may_fault;

static void on_bus_error(int sig)
{
	(void)sig;
	if (!may_fault)
		_exit(2);
	siglongjmp(escape, 1);
}

static void touch(volatile unsigned char *at, int write)
{
	may_fault = 1;
	if (sigsetjmp(escape, 1)) {
		atomic_fetch_add(&count->faults, 1);
	} else if (write) {
		*at = 1;
	} else {
		(void)*at;
	}
	may_fault = 0;
}

static int ask(int fd, unsigned long cmd, void *arg)
{
	int r = ioctl(fd, cmd, arg);

	atomic_fetch_add(&count->calls, 1);
	if (r && errno == EACCES)
		atomic_fetch_add(&count->denied, 1);
	return r;
}

static void use_buffers(int fd, unsigned int *seed)
{
	struct v4l2_requestbuffers request = {
		.count = BUFFERS,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	unsigned char *at[BUFFERS] = { 0 };
	unsigned int n = rand_r(seed) % 8;

	if (ask(fd, VIDIOC_REQBUFS, &request))
		return;
	for (unsigned int i = 0; i < BUFFERS; i++) {
		struct v4l2_buffer b = {
			.index = i,
			.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
			.memory = V4L2_MEMORY_MMAP,
		};

		if (ask(fd, VIDIOC_QUERYBUF, &b))
			break;
		at[i] = mmap(NULL, MAP_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
			     fd, b.m.offset);
		if (at[i] == MAP_FAILED)
			at[i] = NULL;
		ask(fd, VIDIOC_QBUF, &b);
	}
	ask(fd, VIDIOC_STREAMON, &type);
	for (; n; n--) {
		struct v4l2_buffer b = {
			.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
			.memory = V4L2_MEMORY_MMAP,
		};

		if (at[n % BUFFERS])
			touch(at[n % BUFFERS], (int)n & 1);
		if (ask(fd, VIDIOC_DQBUF, &b))
			break;
		ask(fd, VIDIOC_QBUF, &b);
	}
	for (unsigned int i = 0; i < BUFFERS; i++)
		if (at[i] && rand_r(seed) % 4)
			munmap(at[i], MAP_LEN);
}

static void use(unsigned int *seed)
{
	const char *node = nodes[(unsigned int)rand_r(seed) % node_count];
	int flags = rand_r(seed) % 4 ? O_NONBLOCK : 0;
	int fd = open(node, O_RDWR | flags);
	struct v4l2_capability capability;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte[64];
	ssize_t n;

	if (fd < 0) {
		atomic_fetch_add(&count->refused, 1);
		return;
	}
	atomic_fetch_add(&count->opened, 1);
	for (unsigned int i = rand_r(seed) % 6; i; i--) {
		switch (rand_r(seed) % 5) {
		case 0:
			ask(fd, VIDIOC_QUERYCAP, &capability);
			break;
		case 1:
			poll(&p, 1, 20);
			break;
		case 2:
			fcntl(fd, F_SETFL, rand_r(seed) % 2 ? O_NONBLOCK : 0);
			break;
		case 3:
			if (flags)
				n = read(fd, byte, sizeof(byte));
			break;
		default:
			use_buffers(fd, seed);
		}
	}
	(void)n;
	close(fd);
}

static void *user(void *arg)
{
	unsigned int seed = (unsigned int)(unsigned long)arg;

	while (time(NULL) < end)
		use(&seed);
	return NULL;
}

/* A process that dies with everything open. */
static void *killer(void *arg)
{
	unsigned int seed = (unsigned int)(unsigned long)arg;
	pid_t parent = getpid();

	while (time(NULL) < end) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			/* It may have died before that. */
			while (getppid() == parent)
				use(&seed);
			_exit(0);
		}
		if (pid < 0)
			continue;
		usleep(1000 * (unsigned int)(rand_r(&seed) % 150));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		seed++;
	}
	return NULL;
}

static int work(unsigned long n)
{
	pthread_t threads[THREADS_MAX];

	for (unsigned long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, i % 4 ? user : killer,
				   (void *)(i + 1)))
			return 1;
	for (unsigned long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

/*
 * The module kills who does not leave a driver in time, which a starved machine
 * makes happen: the next one goes on.
 */
int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_bus_error };
	unsigned long n, killed = 0;
	int status = 0;

	if (argc < 4)
		return 64;
	end = time(NULL) + atoi(argv[1]);
	n = strtoul(argv[2], NULL, 0);
	if (n < 2 || n > THREADS_MAX)
		return 64;
	nodes = argv + 3;
	node_count = (unsigned int)argc - 3;
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (count == MAP_FAILED)
		return 1;
	sigaction(SIGBUS, &sa, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	while (time(NULL) < end && status == 0) {
		pid_t pid = fork();

		if (pid == 0)
			exit(work(n));
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			return 1;
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
			killed++;
			status = 0;
		}
	}
	/* Those that lost their parent: nobody uses a device afterwards. */
	while (wait(NULL) > 0)
		continue;
	printf("%lu opened, %lu refused, %lu calls, %lu denied, %lu faults, "
	       "%lu killed\n",
	       count->opened, count->refused, count->calls, count->denied,
	       count->faults, killed);
	return status != 0;
}

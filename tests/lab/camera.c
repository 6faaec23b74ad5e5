/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that uses a camera by hand, for tests: reads commands from its
 * input and answers each with one line, "ok ...", the name of an error, or
 * "SIGBUS".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/videodev2.h>

#define BUFFERS 4

static int fd = -1;
static unsigned char *frame[BUFFERS];
static size_t frame_len;
static enum v4l2_memory memory;
/* A child that has inherited the mappings, and does commands for us. */
static int child_in = -1;
static FILE *child_out;

static void answer(int err)
{
	puts(err ? strerrorname_np(err) : "ok");
}

static int request(unsigned int count)
{
	struct v4l2_requestbuffers r = {
		.count = count,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = memory,
	};

	return ioctl(fd, VIDIOC_REQBUFS, &r) ? errno : 0;
}

static int queue(unsigned int i, unsigned long cmd)
{
	struct v4l2_buffer b = {
		.index = i,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = memory,
		.length = frame_len,
	};

	if (memory == V4L2_MEMORY_USERPTR)
		b.m.userptr = (unsigned long)frame[i];
	if (ioctl(fd, cmd, &b))
		return errno;
	frame_len = b.length;
	return 0;
}

static int map_frame(unsigned int i)
{
	struct v4l2_buffer b = {
		.index = i,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
	void *at;

	if (memory == V4L2_MEMORY_USERPTR) {
		frame_len = 1 << 22;
		at = mmap(NULL, frame_len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	} else {
		if (ioctl(fd, VIDIOC_QUERYBUF, &b))
			return errno;
		frame_len = b.length;
		at = mmap(NULL, frame_len, PROT_READ | PROT_WRITE, MAP_SHARED,
			  fd, b.m.offset);
	}
	if (at == MAP_FAILED)
		return errno;
	frame[i] = at;
	return 0;
}

static int stream(const char *how)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	int err;

	memory =
		strcmp(how, "userptr") ? V4L2_MEMORY_MMAP : V4L2_MEMORY_USERPTR;
	err = request(BUFFERS);
	for (unsigned int i = 0; !err && i < BUFFERS; i++) {
		err = map_frame(i);
		if (!err)
			err = queue(i, VIDIOC_QBUF);
	}
	if (!err && ioctl(fd, VIDIOC_STREAMON, &type))
		err = errno;
	return err;
}

/* One frame, by the time it was taken at; it is queued again. */
static void take(void)
{
	struct v4l2_buffer b = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = memory,
	};

	if (ioctl(fd, VIDIOC_DQBUF, &b)) {
		answer(errno);
		return;
	}
	printf("ok %lld.%06lld\n", (long long)b.timestamp.tv_sec,
	       (long long)b.timestamp.tv_usec);
	queue(b.index, VIDIOC_QBUF);
}

/* Touches a frame where a signal does no harm. */
static void peek(const unsigned char *at)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		_exit(*(const volatile unsigned char *)at ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	puts(WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "ok");
}

/* As another process would read our memory, or write(2) would. */
static void peek_by_kernel(const unsigned char *at)
{
	char byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { (void *)at, 1 };
	ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	int pipes[2];

	printf("%s ", n == 1 ? "ok" : strerrorname_np(errno));
	if (pipe(pipes))
		exit(1);
	n = write(pipes[1], at, 1);
	printf("%s ", n == 1 ? "ok" : strerrorname_np(errno));
	n = vmsplice(pipes[1], &remote, 1, 0);
	puts(n == 1 ? "ok" : strerrorname_np(errno));
	close(pipes[0]);
	close(pipes[1]);
}

static void *dequeue_thread(void *unused)
{
	(void)unused;
	for (;;) {
		struct v4l2_buffer b = {
			.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
			.memory = memory,
		};

		/* No frame is queued again: after four it blocks. */
		if (ioctl(fd, VIDIOC_DQBUF, &b))
			return (void *)(long)errno;
	}
}

static pthread_t blocked;

static void mremap_frame(unsigned int i)
{
	void *at = mremap(frame[i], frame_len, frame_len,
			  MREMAP_MAYMOVE | MREMAP_FIXED,
			  mmap(NULL, frame_len, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	if (at == MAP_FAILED) {
		answer(errno);
		return;
	}
	frame[i] = at;
	peek(frame[i]);
}

static void reopen(void)
{
	char path[32];
	int other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, O_RDWR);
	answer(other < 0 ? errno : 0);
	if (other >= 0)
		close(other);
}

static void export(void)
{
	struct v4l2_exportbuffer e = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

	answer(ioctl(fd, VIDIOC_EXPBUF, &e) ? errno : 0);
}

static void poll_now(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = poll(&p, 1, 5000);

	printf("%d%s%s%s\n", n, p.revents & POLLIN ? " IN" : "",
	       p.revents & POLLERR ? " ERR" : "",
	       p.revents & POLLHUP ? " HUP" : "");
}

static int stop(void)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	for (int i = 0; i < BUFFERS; i++)
		munmap(frame[i], frame_len);
	return ioctl(fd, VIDIOC_STREAMOFF, &type) ? errno : request(0);
}

static void run(char *line);

/* Whatever is said to the child is done there. */
static void make_child(void)
{
	int to[2], from[2];

	if (pipe(to) || pipe(from))
		exit(1);
	fflush(stdout);
	if (!fork()) {
		char line[128];

		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		clearerr(stdin);
		while (fgets(line, sizeof(line), fdopen(0, "r")))
			run(line);
		_exit(0);
	}
	child_in = to[1];
	child_out = fdopen(from[0], "r");
	puts("ok");
}

static void tell_child(const char *what)
{
	char line[128] = "";

	dprintf(child_in, "%s\n", what);
	if (!fgets(line, sizeof(line), child_out))
		strcpy(line, "gone\n");
	fputs(line, stdout);
}

static void run(char *line)
{
	const char *word = strtok(line, " \n");
	char *rest = strtok(NULL, "\n");
	void *got;
	struct timespec now;

	if (!word)
		return;
	if (!strcmp(word, "open")) {
		fd = open(rest, O_RDWR);
		answer(fd < 0 ? errno : 0);
	} else if (!strcmp(word, "stream")) {
		answer(stream(rest));
	} else if (!strcmp(word, "stop")) {
		answer(stop());
	} else if (!strcmp(word, "take")) {
		take();
	} else if (!strcmp(word, "peek")) {
		peek(frame[atoi(rest)]);
	} else if (!strcmp(word, "kernel")) {
		peek_by_kernel(frame[atoi(rest)]);
	} else if (!strcmp(word, "mremap")) {
		mremap_frame(atoi(rest));
	} else if (!strcmp(word, "reopen")) {
		reopen();
	} else if (!strcmp(word, "export")) {
		export();
	} else if (!strcmp(word, "poll")) {
		poll_now();
	} else if (!strcmp(word, "block")) {
		answer(pthread_create(&blocked, NULL, dequeue_thread, NULL));
	} else if (!strcmp(word, "join")) {
		pthread_join(blocked, &got);
		answer((int)(long)got);
	} else if (!strcmp(word, "fork")) {
		make_child();
	} else if (!strcmp(word, "child")) {
		tell_child(rest);
	} else if (!strcmp(word, "now")) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		printf("ok %lld.%06ld\n", (long long)now.tv_sec,
		       now.tv_nsec / 1000);
	} else {
		puts("what?");
	}
	fflush(stdout);
}

int main(void)
{
	char line[128];

	while (fgets(line, sizeof(line), stdin))
		run(line);
	return 0;
}

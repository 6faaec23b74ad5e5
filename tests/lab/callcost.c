/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls on a device cost, for the benchmarks: reads commands from its
 * input and answers each with one line. "read PATH", "ioctl PATH" and "poll
 * PATH" answer with the nanoseconds of one such call, "hold PATH N" opens it so
 * often, "drop" closes those.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <linux/videodev2.h>

/* The quickest batch counts: what else the machine does only adds. */
#define BATCHES 40
#define CALLS 100
#define HANDLES_MAX 20000

static int held[HANDLES_MAX];
static unsigned int n_held;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int a_read(int fd)
{
	char buf[16];

	return read(fd, buf, sizeof(buf)) != sizeof(buf);
}

static int an_ioctl(int fd)
{
	struct v4l2_capability cap;

	return ioctl(fd, VIDIOC_QUERYCAP, &cap);
}

/* POLLPRI alone: POLLIN makes a camera start. */
static int a_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };

	return poll(&p, 1, 0) < 0;
}

static const struct call {
	const char *name;
	int (*once)(int fd);
} calls[] = {
	{ "read", a_read },
	{ "ioctl", an_ioctl },
	{ "poll", a_poll },
};

static uint64_t batch(const struct call *c, int fd)
{
	uint64_t start = now();

	for (unsigned int i = 0; i < CALLS; i++)
		c->once(fd);
	return now() - start;
}

static void cost(const struct call *c, const char *path)
{
	int fd = open(path, O_RDWR);
	uint64_t best = UINT64_MAX;

	if (fd < 0 || c->once(fd)) {
		printf("%s\n", strerror(errno));
	} else {
		for (unsigned int i = 0; i < BATCHES; i++) {
			uint64_t took = batch(c, fd);

			best = took < best ? took : best;
		}
		printf("%.1f\n", (double)best / CALLS);
	}
	if (fd >= 0)
		close(fd);
}

static void hold(const char *path, unsigned int n)
{
	struct rlimit most = { HANDLES_MAX + 100, HANDLES_MAX + 100 };

	setrlimit(RLIMIT_NOFILE, &most);
	while (n-- > 0 && n_held < HANDLES_MAX) {
		held[n_held] = open(path, O_RDWR);
		if (held[n_held] < 0) {
			printf("%s after %u\n", strerror(errno), n_held);
			return;
		}
		n_held++;
	}
	puts("ok");
}

int main(void)
{
	char line[300], path[256];
	unsigned int n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "hold %255s %u", path, &n) == 2)
			hold(path, n);
		if (!strcmp(line, "drop")) {
			while (n_held > 0)
				close(held[--n_held]);
			puts("ok");
		}
		for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
			size_t len = strlen(calls[i].name);

			if (!strncmp(line, calls[i].name, len) &&
			    line[len] == ' ')
				cost(&calls[i], line + len + 1);
		}
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talks to a stream socket from inside a VP: ask SECONDS PATH [LINE...] sends
 * the lines and prints what comes in that time, or until the other side closes.
 * With the first LINE "flood" it sends without end instead, and reads nothing.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	double end;

	if (argc < 3)
		return 64;
	end = now() + atof(argv[1]);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", argv[2]);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		perror(argv[2]);
		return 1;
	}
	while (argc > 3 && strcmp(argv[3], "flood") == 0 && now() < end)
		if (send(fd, "attention call\n", 15, MSG_NOSIGNAL) < 0)
			return 2;
	for (int i = 3; i < argc; i++)
		dprintf(fd, "%s\n", argv[i]);
	while (now() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char text[4096];
		ssize_t n;

		if (poll(&p, 1, 50) <= 0)
			continue;
		n = read(fd, text, sizeof(text));
		if (n <= 0 || write(STDOUT_FILENO, text, (size_t)n) != n)
			break;
	}
	return 0;
}

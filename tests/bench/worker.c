/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured inside and outside VPs: reads a name a line, does that work
 * some thousand times, and answers with the nanoseconds of one. Static, so that
 * it runs in any image.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 1024

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void check(int failed, const char *what)
{
	if (!failed)
		return;
	perror(what);
	exit(1);
}

static void a_syscall(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		syscall(SYS_getppid);
}

static void a_fork(unsigned int n)
{
	char *const argv[] = { (char *)"worker", (char *)"nothing", NULL };
	int status;

	for (unsigned int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			execv("/proc/self/exe", argv);
			_exit(1);
		}
		check(pid < 0 || waitpid(pid, &status, 0) < 0 || status,
		      "fork and exec");
	}
}

/* Goes to the nth of the processors in `all`, or to the last. */
static void go_to(const cpu_set_t *all, int nth)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && nth >= 0; i++) {
		if (!CPU_ISSET(i, all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		nth--;
	}
	check(sched_setaffinity(0, sizeof(one), &one) < 0, "set affinity");
}

/* A byte there and back, through a process on the nth processor. */
static void ping(unsigned int n, int nth)
{
	int to[2], from[2], status;
	char byte = 'x';
	cpu_set_t all;
	pid_t pid;

	sched_getaffinity(0, sizeof(all), &all);
	check(pipe(to) < 0 || pipe(from) < 0, "pipe");
	pid = fork();
	check(pid < 0, "fork");
	if (pid == 0) {
		go_to(&all, nth);
		close(to[1]);
		while (read(to[0], &byte, 1) == 1)
			if (write(from[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	go_to(&all, 0);
	close(to[0]);
	close(from[1]);
	for (unsigned int i = 0; i < n; i++)
		check(write(to[1], &byte, 1) != 1 ||
			      read(from[0], &byte, 1) != 1,
		      "ping");
	close(to[1]);
	close(from[0]);
	waitpid(pid, &status, 0);
	sched_setaffinity(0, sizeof(all), &all);
}

static void a_pipe(unsigned int n)
{
	ping(n, 1);
}

/* Both on one processor: each byte is a switch. */
static void a_switch(unsigned int n)
{
	ping(n / 2, 0);
}

static void fault(unsigned int n)
{
	for (unsigned int done = 0; done < n; done += PAGES) {
		char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		check(p == MAP_FAILED, "mmap");
		madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
		for (int i = 0; i < PAGES; i++)
			p[i * PAGE] = 1;
		munmap(p, PAGES * PAGE);
	}
}

static const char *file;

static void a_read(unsigned int n)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char page[PAGE];

	check(fd < 0, file);
	for (unsigned int i = 0; i < n; i++)
		check(pread(fd, page, PAGE, (off_t)(i % 128) * PAGE) != PAGE,
		      file);
	close(fd);
}

static const struct {
	const char *name;
	void (*work)(unsigned int n);
	unsigned int n;
} works[] = {
	{ "syscall", a_syscall, 100000 }, { "fork", a_fork, 30 },
	{ "pipe", a_pipe, 1000 },	  { "switch", a_switch, 2000 },
	{ "fault", fault, 4096 },	  { "read", a_read, 20000 },
};

int main(int argc, char **argv)
{
	char line[64];

	if (argc == 2 && strcmp(argv[1], "nothing") == 0)
		return 0;
	if (argc != 2)
		return 64;
	file = argv[1];
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
			uint64_t start = now();

			if (strcmp(works[i].name, line) != 0)
				continue;
			works[i].work(works[i].n);
			printf("%.1f\n", (double)(now() - start) / works[i].n);
			fflush(stdout);
		}
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage: toucher PATH. Maps a page of a device and reads it in a thread of its
 * own, so that the memory can be taken away meanwhile. Lines on standard input:
 *   touch   begins to read; "touching"
 *   unmap   takes the mapping away and closes the device; "unmapped"
 *   join    waits for the thread: "read", "Bus error" or "Segmentation fault"
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char *memory;
static sigjmp_buf back;
static const char *result = "read";

static void on_signal(int sig)
{
	siglongjmp(back, sig);
}

static void *touch(void *arg)
{
	int sig = sigsetjmp(back, 1);

	(void)arg;
	if (sig)
		result = strsignal(sig);
	else
		(void)memory[0];
	return NULL;
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDWR) : -1;
	pthread_t thread;
	char line[32];

	signal(SIGBUS, on_signal);
	signal(SIGSEGV, on_signal);
	setvbuf(stdout, NULL, _IOLBF, 0);
	memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || memory == MAP_FAILED) {
		perror(argv[1]);
		return 1;
	}
	puts("mapped");
	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "touch\n") == 0) {
			pthread_create(&thread, NULL, touch, NULL);
			puts("touching");
		} else if (strcmp(line, "unmap\n") == 0) {
			munmap((void *)memory, 4096);
			close(fd);
			puts("unmapped");
		} else if (strcmp(line, "join\n") == 0) {
			pthread_join(thread, NULL);
			puts(result);
		}
	}
	return 0;
}

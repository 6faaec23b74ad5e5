/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in a VP as its root. `escape all KEY=VALUE...` tries everything (with
 * `harmless`: what changes nothing where it succeeds), each in a process of its
 * own, and prints a line each: "ok NAME", "skip NAME" or "not ok NAME: got
 * ERRNO, not ERRNO". `escape open PATH` only opens (it is put in images with
 * the setuid bit). `escape hold SOCKET KEY QUEUE` makes an abstract socket,
 * shared memory and a message queue for others to look for, and stays. `escape
 * spy SECONDS` looks for a process in /proc that lets it see a program which is
 * not the VP's. `escape watch PATH` says "watching" or why it cannot, then
 * "seen" for each time that anybody opens the file.
 */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 20
#define TIMED_OUT 250
#define BROKEN 251

static char **args;

const char *escape_arg(const char *key)
{
	size_t n = strlen(key);

	for (char **a = args; a && *a; a++)
		if (strncmp(*a, key, n) == 0 && (*a)[n] == '=')
			return *a + n + 1;
	return NULL;
}

/* 0, ESCAPE_SKIP or -errno */
static int try(const struct escape *t)
{
	int status, r;
	pid_t pid = fork();

	if (pid < 0)
		return -BROKEN;
	if (pid == 0) {
		alarm(SECONDS);
		r = t->fn(t);
		_exit(r == ESCAPE_SKIP ? 255 : -r);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -BROKEN;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? -TIMED_OUT : -BROKEN;
	r = WEXITSTATUS(status);
	return r == 255 ? ESCAPE_SKIP : -r;
}

static const char *word(int code)
{
	const char *name = code == 0	       ? "success"
			   : code == TIMED_OUT ? "a timeout"
			   : code == BROKEN    ? "a crash"
					       : strerrorname_np(code);

	return name ? name : "an unknown error";
}

static void try_all(bool harmless)
{
	for (const struct escape *t = escapes; t->name; t++) {
		int r;

		if (harmless && !t->harmless)
			continue;
		r = try(t);

		if (r == ESCAPE_SKIP)
			printf("skip %s\n", t->name);
		else if (r != 0 && (-r == t->want || -r == t->or))
			printf("ok %s\n", t->name);
		else if (r == -EACCES && escape_arg("labelled"))
			printf("ok %s\n", t->name);
		else
			printf("not ok %s: got %s, not %s\n", t->name, word(-r),
			       word(t->want));
		fflush(stdout);
	}
}

static int hold(const char *name, const char *key, const char *queue)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "%s", name);
	if (bind(fd, (struct sockaddr *)&at,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			     strlen(name))) < 0 ||
	    listen(fd, 1) < 0 ||
	    shmget(atoi(key), 4096, IPC_CREAT | 0666) < 0 ||
	    mq_open(queue, O_CREAT | O_RDWR, 0666, NULL) < 0)
		return 1;
	close(open("/tmp/held", O_CREAT | O_WRONLY, 0600));
	sleep(600);
	return 0;
}

static bool is_ours(const char *path)
{
	static const char *const programs[] = { "/bin/busybox", "/bin/escape" };
	struct stat here, there;

	if (stat(path, &there) < 0)
		return true;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (stat(programs[i], &here) == 0 &&
		    here.st_size == there.st_size)
			return true;
	return false;
}

/* 0: it saw one, 3: it did not. */
static int spy(time_t seconds)
{
	time_t end = time(NULL) + seconds;

	while (time(NULL) < end) {
		DIR *d = opendir("/proc");
		struct dirent *entry;

		while (d && (entry = readdir(d))) {
			char path[300];

			snprintf(path, sizeof(path), "/proc/%s/exe",
				 entry->d_name);
			if (atoi(entry->d_name) > 0 && !is_ours(path))
				return 0;
		}
		closedir(d);
	}
	return 3;
}

static int watch(const char *path)
{
	int fd = inotify_init1(0);
	char event[4096];

	if (fd < 0 || inotify_add_watch(fd, path, IN_OPEN | IN_ACCESS) < 0) {
		puts(strerror(errno));
		return 1;
	}
	puts("watching");
	fflush(stdout);
	while (read(fd, event, sizeof(event)) > 0) {
		puts("seen");
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "open") == 0)
		return open(argv[2], O_RDWR | O_CLOEXEC) < 0 ? errno : 0;
	if (argc == 5 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2], argv[3], argv[4]);
	if (argc == 3 && strcmp(argv[1], "spy") == 0)
		return spy(atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "watch") == 0)
		return watch(argv[2]);
	if (argc < 2 ||
	    (strcmp(argv[1], "all") != 0 && strcmp(argv[1], "harmless") != 0))
		return 64;
	args = argv + 2;
	try_all(strcmp(argv[1], "harmless") == 0);
	return 0;
}

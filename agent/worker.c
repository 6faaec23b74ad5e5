/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define OUT 3 /* the child's only descriptor but the standard ones */
#define PIECE (64 * 1024)

/* What the child says first; with r == 0 its answer follows, of `len` bytes. */
struct answer_header {
	int r;
	size_t len;
	struct err e;
};

struct worker {
	const struct worker_kind *kind;
	void *user;
	pid_t pid; /* 0: it is gone */
	int fd;
	sd_event_source *io, *late;
	char *got;
	size_t len, room;
};

/* ---- the child */

/* The mask stays as it is: SIGTERM to the whole service must not end the child
 * before the loop has seen its own. What ends the child is SIGKILL. */
static _Noreturn void run_worker_child(const struct worker_kind *kind,
				       const void *what, int fd, pid_t parent)
{
	struct answer_header h = { 0 };
	char *answer = NULL;
	size_t len = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    (fd != OUT && dup2(fd, OUT) < 0) ||
	    close_range(OUT + 1, ~0U, 0) < 0)
		_exit(EXIT_FAILURE);
	h.r = kind->run(what, &answer, &len, &h.e);
	h.len = h.r == 0 ? len : 0;
	if (io_write_all(OUT, &h, sizeof(h)) == 0 && h.r == 0)
		io_write_all(OUT, answer, len);
	/* Not exit(): what the agent registered there is not the child's. */
	_exit(EXIT_SUCCESS);
}

/* ---- the loop */

/* Its end is near or made so; only we take it, so the id is still its own. */
static void kill_worker_child(struct worker *x)
{
	if (x->pid == 0)
		return;
	kill(x->pid, SIGKILL);
	while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
		;
	x->pid = 0;
	x->io = sd_event_source_disable_unref(x->io);
	x->late = sd_event_source_disable_unref(x->late);
}

static void report_worker_failure(struct worker *x, const struct err *e)
{
	kill_worker_child(x);
	x->kind->done(x->user, NULL, 0, e);
}

static void report_worker_answer(struct worker *x)
{
	auto_free char *got = steal(x->got);
	struct answer_header h = { 0 };
	size_t len = x->len;
	struct err e;

	kill_worker_child(x);
	if (len >= sizeof(h))
		memcpy(&h, got, sizeof(h));
	if (len != sizeof(h) + h.len) {
		err_set(&e, EIO, "the worker ended without an answer");
		x->kind->done(x->user, NULL, 0, &e);
		return;
	}
	h.e.text[sizeof(h.e.text) - 1] = '\0';
	if (h.r < 0)
		x->kind->done(x->user, NULL, 0, &h.e);
	else
		x->kind->done(x->user, got + sizeof(h), h.len, NULL);
}

/* Room for a piece, and a NUL behind it. */
static int grow_answer_buffer(struct worker *x)
{
	size_t room = x->room ? 2 * x->room : 2 * PIECE;
	char *bigger;

	if (x->room - x->len > PIECE)
		return 0;
	if (x->len > sizeof(struct answer_header) + WORKER_ANSWER_MAX)
		return -EFBIG;
	bigger = realloc(x->got, room);
	if (!bigger)
		return -ENOMEM;
	x->got = bigger;
	x->room = room;
	return 0;
}

static int on_worker_output(sd_event_source *s, int fd, uint32_t events,
			    void *user)
{
	struct worker *x = user;
	struct err e;
	ssize_t n = -1;
	int r = grow_answer_buffer(x);

	if (r == 0) {
		n = read(fd, x->got + x->len, PIECE);
		r = n < 0 ? -errno : 0;
	}
	if (r == -EINTR || r == -EAGAIN)
		return 0;
	if (r < 0) {
		err_sys(&e, -r, "read the worker's answer");
		report_worker_failure(x, &e);
		return 0;
	}
	x->len += (size_t)n;
	x->got[x->len] = '\0';
	if (n == 0)
		report_worker_answer(x);
	return 0;
}

static int on_worker_timeout(sd_event_source *s, uint64_t usec, void *user)
{
	struct worker *x = user;
	struct err e;

	err_set(&e, ETIMEDOUT, "no answer in %u s", x->kind->seconds);
	report_worker_failure(x, &e);
	return 0;
}

static int fork_worker_child(struct worker *x, const void *what)
{
	auto_close int out = -1;
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	x->fd = fds[0];
	out = fds[1];
	/* Safe because this process has one thread: no lock is held by another,
	 * so the child may allocate and call libraries. */
	x->pid = fork();
	if (x->pid == 0)
		run_worker_child(x->kind, what, out, parent);
	if (x->pid < 0) {
		x->pid = 0;
		return -errno;
	}
	return 0;
}

int worker_new(sd_event *event, const struct worker_kind *kind,
	       const void *what, void *user, struct worker **ret, struct err *e)
{
	AUTO(worker_freep) struct worker *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return err_oom(e, "start a worker");
	x->kind = kind;
	x->user = user;
	x->fd = -1;
	r = fork_worker_child(x, what);
	if (r >= 0)
		r = sd_event_add_io(event, &x->io, x->fd, EPOLLIN,
				    on_worker_output, x);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &x->late, CLOCK_BOOTTIME,
					       kind->seconds *
						       UINT64_C(1000000),
					       0, on_worker_timeout, x);
	if (r < 0)
		return err_sys(e, -r, "start a worker");
	*ret = steal(x);
	return 0;
}

void worker_free(struct worker *x)
{
	if (!x)
		return;
	kill_worker_child(x);
	sd_event_source_disable_unref(x->io);
	sd_event_source_disable_unref(x->late);
	if (x->fd >= 0)
		close(x->fd);
	free(x->got);
	free(x);
}

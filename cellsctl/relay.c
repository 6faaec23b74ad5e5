/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsctl/relay.h"

#include "cellsctl/terminal.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void close_relay_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- channels */

static int add_relay_channel(struct relay *r, int from, int to, bool is_user,
			     struct err *e)
{
	struct relay_channel *l = &r->lane[r->n];

	assert(r->n < ARRAY_SIZE(r->lane));
	/* Copies: each channel closes its own. */
	l->from = fcntl(from, F_DUPFD_CLOEXEC, 3);
	l->to = fcntl(to, F_DUPFD_CLOEXEC, 3);
	l->is_user = is_user;
	r->n++;
	return l->from < 0 || l->to < 0 ? err_sys(e, errno, "exec") : 0;
}

static void close_relay_channel(struct relay_channel *l)
{
	close_relay_fd(&l->from);
	close_relay_fd(&l->to);
	l->len = l->done = 0;
}

static void read_relay_channel(struct relay_channel *l)
{
	ssize_t n = read(l->from, l->data, sizeof(l->data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close_relay_channel(l);
		return;
	}
	l->len = (size_t)n;
	l->done = 0;
}

static void write_relay_channel(struct relay_channel *l)
{
	ssize_t n = write(l->to, l->data + l->done, l->len - l->done);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		close_relay_channel(l);
		return;
	}
	l->done += (size_t)n;
	if (l->done == l->len)
		l->len = l->done = 0;
}

static struct pollfd get_channel_pollfd(const struct relay_channel *l)
{
	return l->len > 0 ? (struct pollfd){ .fd = l->to, .events = POLLOUT }
			  : (struct pollfd){ .fd = l->from, .events = POLLIN };
}

static void handle_channel_events(struct relay_channel *l, short events)
{
	if (!events)
		return;
	if (l->len > 0)
		write_relay_channel(l);
	else
		read_relay_channel(l);
}

/* ---- open */

static int open_relay_pipe(struct relay *r, int number, struct err *e)
{
	bool is_input = number == STDIN_FILENO;
	auto_close int in = -1, out = -1;
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "exec: make a pipe");
	in = p[0];
	out = p[1];
	r->theirs[number] = steal_fd(*(is_input ? &in : &out));
	return is_input ? add_relay_channel(r, number, out, true, e)
			: add_relay_channel(r, in, number, false, e);
}

/* One terminal for all of the program's files that are one of the user's. */
static int open_relay_terminal(struct relay *r, struct err *e)
{
	int out = isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO;
	int in = isatty(STDIN_FILENO);
	int code = terminal_open_pty(&r->master, &r->slave, e);

	if (code == 0 && in)
		code = add_relay_channel(r, STDIN_FILENO, r->master, true, e);
	if (code == 0)
		code = add_relay_channel(r, r->master, out, false, e);
	return code;
}

static int open_standard_files(struct relay *r, struct err *e)
{
	int code = 0;

	for (int i = 0; code == 0 && i < 3; i++) {
		if (!isatty(i)) {
			code = open_relay_pipe(r, i, e);
			continue;
		}
		if (r->slave < 0)
			code = open_relay_terminal(r, e);
		if (code == 0)
			r->theirs[i] = fcntl(r->slave, F_DUPFD_CLOEXEC, 3);
		if (code == 0 && r->theirs[i] < 0)
			code = err_sys(e, errno, "exec: make a terminal");
	}
	return code;
}

int relay_open(struct relay *ret, struct err *e)
{
	int code;

	memset(ret, 0, sizeof(*ret));
	ret->master = ret->slave = -1;
	for (int i = 0; i < 3; i++)
		ret->theirs[i] = -1;
	code = open_standard_files(ret, e);
	if (code < 0)
		relay_fini(ret);
	return code;
}

void relay_close_program_fds(struct relay *r)
{
	for (int i = 0; i < 3; i++)
		close_relay_fd(&r->theirs[i]);
	/* With a copy of ours the terminal would never end. */
	close_relay_fd(&r->slave);
}

void relay_fini(struct relay *r)
{
	relay_close_program_fds(r);
	close_relay_fd(&r->master);
	for (unsigned int i = 0; i < r->n; i++)
		close_relay_channel(&r->lane[i]);
	r->n = 0;
}

/* ---- run */

/* What is on its way to the user, and nothing that comes later. */
static void drain_program_output(struct relay *r)
{
	for (unsigned int i = 0; i < r->n; i++) {
		struct relay_channel *l = &r->lane[i];

		while (!l->is_user && l->from >= 0) {
			struct pollfd p = get_channel_pollfd(l);

			if (poll(&p, 1, l->len > 0 ? -1 : 0) <= 0)
				break;
			handle_channel_events(l, p.revents);
		}
	}
}

static void copy_until_exit(struct relay *r, int resized,
			    const struct relay_end_condition *end)
{
	struct pollfd p[ARRAY_SIZE(r->lane) + 2];

	for (;;) {
		for (unsigned int i = 0; i < r->n; i++)
			p[i] = get_channel_pollfd(&r->lane[i]);
		p[r->n] = (struct pollfd){ .fd = end->fd, .events = POLLIN };
		p[r->n + 1] =
			(struct pollfd){ .fd = resized, .events = POLLIN };
		if (poll(p, r->n + 2, -1) < 0 && errno != EINTR)
			return;
		if (p[r->n].revents && end->fn(end->arg))
			return drain_program_output(r);
		if (p[r->n + 1].revents)
			terminal_update_size(resized, r->master);
		for (unsigned int i = 0; i < r->n; i++)
			handle_channel_events(&r->lane[i], p[i].revents);
	}
}

int relay_run(struct relay *r, const struct relay_end_condition *end,
	      struct err *e)
{
	struct terminal_mode before = { 0 };
	auto_close int resized = -1;
	int code = 0;

	/* A peer that no longer reads makes the write fail. */
	signal(SIGPIPE, SIG_IGN);
	if (r->master >= 0) {
		code = terminal_set_raw(r->master, &before, e);
		resized = terminal_watch_size();
	}
	if (code < 0)
		return code;
	copy_until_exit(r, resized, end);
	terminal_restore(&before);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/password_pool.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int work_password_out(const char *hash, const char *password,
			     struct password_result *ret)
{
	struct err e;
	int r = hash ? password_hash_verify(hash, password, &e) : 0;

	if (r == -EACCES)
		return 0;
	if (r < 0)
		return r;
	ret->is_right = true;
	return hash && password_hash_is_current(hash)
		       ? 0
		       : password_hash_create(password, ret->hash, &e);
}

static void run_child(int out, const char *hash, const char *password)
{
	struct password_result result = { 0 };

	/* Nothing of the server's may be held by the child. */
	if (out > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned int)out - 1, 0);
	close_range((unsigned int)out + 1, ~0U, 0);
	if (work_password_out(hash, password, &result) < 0 ||
	    write(out, &result, sizeof(result)) != sizeof(result))
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

int password_pool_start(struct password_pool *p, const char *hash,
			const char *password, int *ret_fd, struct err *e)
{
	auto_close int in = -1, out = -1;
	int fds[2];
	pid_t pid;

	if (p->running >= PASSWORD_POOL_MAX)
		return 1;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, EIO, "hash a password");
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return err_set(e, EAGAIN, "hash a password: try again");
	if (pid == 0)
		run_child(out, hash, password);
	p->running++;
	*ret_fd = steal_fd(in);
	return 0;
}

int password_pool_read(int fd, struct password_result *ret, struct err *e)
{
	ssize_t n = read(fd, ret, sizeof(*ret));

	if (n < 0 && errno == EAGAIN)
		return 1;
	return n == sizeof(*ret) ? 0 : err_set(e, EIO, "hash a password");
}

void password_pool_reap(struct password_pool *p)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		if (p->running > 0)
			p->running--;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a VP can still open a device that is being taken from it. `denial
 * CGROUP` holds a child in a leaf of that cgroup, as cellsd does a VP; for each
 * line on its input it takes the device from it, and prints the nanoseconds
 * from before the device set's replacement to the first open that is denied,
 * and those of the replacement alone.
 */
#include "cellsd/container/cgroup.h"
#include "cellsd/device/backend.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define VP 1
#define LEAF "vp"
#define CAMERA (1U << CELLS_CLASS_CAMERA)
#define NODE "/dev/fuse"
#define PATIENCE_NS (UINT64_C(10) * 1000 * 1000 * 1000)

/* Between the two processes: when the child saw its last open denied. */
static struct shared {
	atomic_bool is_denied;
	_Atomic uint64_t denied_ns;
} * shared;

__attribute__((noreturn)) static void keep_opening(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = open(NODE, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			close(fd);
			atomic_store(&shared->is_denied, false);
		} else if (!atomic_load(&shared->is_denied)) {
			atomic_store(&shared->denied_ns, clock_mono_ns());
			atomic_store(&shared->is_denied, true);
		}
	}
}

static int wait_for(bool is_denied, struct err *e)
{
	uint64_t end = clock_mono_ns() + PATIENCE_NS;

	while (atomic_load(&shared->is_denied) != is_denied)
		if (clock_mono_ns() > end)
			return err_set(e, ETIMEDOUT, "open " NODE ": it is %s",
				       is_denied ? "still allowed" : "denied");
	return 0;
}

static int enter(int leaf, struct err *e)
{
	auto_close int fd = openat(leaf, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) < 0)
		return err_sys(e, errno, "enter the cgroup");
	return 0;
}

static int take(struct backend *b, int leaf, struct err *e)
{
	uint64_t begin, end;
	int r = backend_cgroup_type.allow(b, leaf, VP, CAMERA, e);

	if (r == 0)
		r = wait_for(false, e);
	if (r < 0)
		return r;
	begin = clock_mono_ns();
	r = backend_cgroup_type.allow(b, leaf, VP, 0, e);
	end = clock_mono_ns();
	if (r == 0)
		r = wait_for(true, e);
	if (r < 0)
		return r;
	printf("%" PRIu64 " %" PRIu64 "\n",
	       atomic_load(&shared->denied_ns) - begin, end - begin);
	fflush(stdout);
	return 0;
}

static int serve(int leaf, struct err *e)
{
	const struct backend_vp vp = { LEAF, VP, leaf };
	struct backend_node node = {
		.name = "fuse", .major = 10, .minor = 229, .classes = CAMERA
	};
	struct backend *b = NULL;
	char line[16];
	pid_t child;
	int r = backend_cgroup_type.make(NULL, 0, &b, e);

	if (r < 0)
		return r;
	r = backend_cgroup_type.set_nodes(b, &node, 1, e);
	if (r == 0)
		r = backend_cgroup_type.attach(b, &vp, e);
	if (r == 0)
		r = backend_cgroup_type.allow(b, leaf, VP, CAMERA, e);
	child = r == 0 ? fork() : -1;
	if (child == 0)
		enter(leaf, e) < 0 ? _exit(1) : keep_opening();
	while (r == 0 && fgets(line, sizeof(line), stdin))
		r = take(b, leaf, e);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	backend_cgroup_type.free(b);
	return r;
}

int main(int argc, char **argv)
{
	int root = -1, leaf = -1, r;
	struct err e;

	if (argc != 2)
		return 64;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return EXIT_FAILURE;
	atomic_store(&shared->is_denied, true);
	r = cgroup_root_open(argv[1], &root, &e);
	if (r == 0)
		r = cgroup_new(root, LEAF, 0, &leaf, &e);
	if (r == 0)
		r = serve(leaf, &e);
	if (r < 0)
		fprintf(stderr, "denial: %s\n", e.text);
	auto_closep(&leaf);
	if (root >= 0) {
		cgroup_remove(root, LEAF, &e);
		cgroup_root_close(root, argv[1]);
	}
	return r < 0 ? EXIT_FAILURE : 0;
}

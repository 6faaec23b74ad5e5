/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/resource.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/vp/vp.h"
#include "lib/auto.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WEIGHT_DEFAULT 100

static uint32_t scale_weight(uint32_t wanted, bool in_front)
{
	uint32_t full = wanted ? wanted : WEIGHT_DEFAULT;

	if (in_front)
		return full;
	return full > RESOURCE_BEHIND ? full / RESOURCE_BEHIND : 1;
}

void resource_apply_limits(const struct vp *v, bool in_front)
{
	struct vp_run *run = vp_get_run(v);
	const struct cgroup_limits limits = {
		.memory_max = v->conf.memory_max,
		.cpu_weight = scale_weight(v->conf.cpu_weight, in_front),
		.io_weight = scale_weight(v->conf.io_weight, in_front),
		.pids_max = v->conf.pids_max,
		.io_read_max = v->conf.io_read_max,
		.io_write_max = v->conf.io_write_max,
		.disk = run ? run->disk : 0,
	};

	if (!run || run->cgroup < 0)
		return;
	run->unsupported_limits = cgroup_set_limits(run->cgroup, &limits);
	/* Nobody asked for it: then nothing is lacking. */
	if (!v->conf.cpu_weight)
		run->unsupported_limits &= ~(unsigned int)CGROUP_LIMIT_CPU;
	if (!v->conf.io_weight)
		run->unsupported_limits &= ~(unsigned int)CGROUP_LIMIT_IO;
}

struct oom_adjustment {
	const struct vp *v;
	bool in_front;
};

/*
 * Safe because the process is looked at and written to through its folder in
 * /proc: a process that has taken its number since is not reached. What a
 * program chose for itself above our least stays.
 */
static int adjust_oom_score(void *arg, pid_t pid)
{
	const struct oom_adjustment *d = arg;
	auto_close int proc = -1, fd = -1;
	char text[32];
	ssize_t n;
	int now;

	if (pid == d->v->run->pid)
		return 0;
	snprintf(text, sizeof(text), "/proc/%d", (int)pid);
	proc = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 ||
	    cgroup_contains_process(d->v->run->cgroup_name, proc) <= 0)
		return 0;
	fd = openat(proc, "oom_score_adj", O_RDWR | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	now = (int)strtol(text, NULL, 10);
	if (d->in_front ? now == RESOURCE_OOM_BEHIND
			: now < RESOURCE_OOM_BEHIND) {
		n = snprintf(text, sizeof(text), "%d",
			     d->in_front ? 0 : RESOURCE_OOM_BEHIND);
		if (pwrite(fd, text, (size_t)n, 0) < 0)
			return 0;
	}
	return 0;
}

void resource_adjust_oom_scores(const struct vp *v, bool in_front)
{
	struct oom_adjustment d = { v, in_front };

	if (v->run && v->run->cgroup >= 0)
		cgroup_each_pid(v->run->cgroup, adjust_oom_score, &d);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/psi.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/lifecycle/prestart.h"
#include "cellsd/vp/resource.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/process_comm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PSI "/proc/pressure/memory"
#define WINDOW_US 1000000

struct psi {
	struct psi_options options;
	int fd;
	sd_event_source *on_stall;
	bool helpless; /* reported that there was nothing to end */
};

/* Who is ended next, so far. */
struct oom_victim {
	const struct vp *vp, *from;
	pid_t pid;
	long score;
};

static long read_oom_score(int proc)
{
	auto_close int fd = openat(proc, "oom_score", O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

static int open_proc_pid_folder(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int compare_oom_victim(void *arg, pid_t pid)
{
	struct oom_victim *c = arg;
	auto_close int proc = open_proc_pid_folder(pid);
	long score;

	/* A VP without an init that we know is half gone, or half born. */
	if (proc < 0 || pid == c->vp->run->pid || c->vp->run->pid <= 0)
		return 0;
	score = read_oom_score(proc);
	if (score > c->score &&
	    cgroup_contains_process(c->vp->run->cgroup_name, proc) > 0) {
		c->score = score;
		c->pid = pid;
		c->from = c->vp;
	}
	return 0;
}

static struct oom_victim choose_oom_victim(const struct vp_table *vps)
{
	struct oom_victim c = { .score = -1 };

	for (unsigned int i = 0; i < vps->n; i++) {
		c.vp = vps->vp[i];
		if (c.vp->state != VP_STATE_BACKGROUND || !c.vp->run ||
		    c.vp->run->cgroup < 0 || c.vp->run->cause)
			continue;
		/* Children of an init have its score until they are seen. */
		resource_adjust_oom_scores(c.vp, false);
		cgroup_each_pid(c.vp->run->cgroup, compare_oom_victim, &c);
	}
	return c;
}

/*
 * Safe because the process behind the pidfd is the one that the folder in /proc
 * means, and that one is in the cgroup: see add_kill_victim() in
 * cellsd/device/open_handles.c.
 */
static void kill_oom_victim(const struct host_callbacks *callbacks,
			    const struct oom_victim *c)
{
	struct backend_event ev = { .boot_ns = clock_boot_ns(),
				    .vp = c->from->number,
				    .pid = (uint32_t)c->pid,
				    .count = 1 };
	auto_close int proc = open_proc_pid_folder(c->pid);
	auto_close int fd = (int)syscall(SYS_pidfd_open, c->pid, 0);

	if (proc < 0 || fd < 0 ||
	    cgroup_contains_process(c->from->run->cgroup_name, proc) <= 0)
		return;
	process_comm_read(proc, ev.comm, sizeof(ev.comm));
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
		return;
	log_warning("memory is short: ended %s (%d) of VP %s", ev.comm,
		    (int)c->pid, c->from->name);
	callbacks->event(callbacks->arg, "pressure", c->from->name,
			 CELLS_CLASS_COUNT, &ev, "memory");
}

static int on_memory_stall(sd_event_source *s, int fd, uint32_t events,
			   void *arg)
{
	struct psi *p = arg;
	struct oom_victim c;

	if (events & EPOLLERR) {
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
		log_error("listen to " PSI ": it has gone");
		return 0;
	}
	/* What nobody uses goes first. */
	if (prestart_release_memory(p->options.prestart))
		return 0;
	c = choose_oom_victim(p->options.vps);
	if (c.from)
		kill_oom_victim(p->options.callbacks, &c);
	else if (!p->helpless)
		log_warning("memory is short, and no VP in the background has "
			    "a program to end");
	p->helpless = !c.from;
	return 0;
}

static void psi_freep(struct psi **p)
{
	psi_free(*p);
}

int psi_new(const struct psi_options *o, sd_event *loop, struct psi **ret,
	    struct err *e)
{
	AUTO(psi_freep) struct psi *p = NULL;
	char text[64];
	int n, r;

	*ret = NULL;
	if (o->stall_ms == 0)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_oom(e, "listen to " PSI);
	p->options = *o;
	p->fd = open(PSI, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	n = snprintf(text, sizeof(text), "some %u %d",
		     (unsigned int)o->stall_ms * 1000, WINDOW_US);
	if (p->fd < 0 || write(p->fd, text, (size_t)n + 1) < 0) {
		log_warning("programs of VPs in the background are not ended "
			    "when memory is short: " PSI ": %s",
			    strerror(errno));
		return 0;
	}
	r = sd_event_add_io(loop, &p->on_stall, p->fd, EPOLLPRI,
			    on_memory_stall, p);
	if (r < 0)
		return err_sys(e, -r, "listen to " PSI);
	*ret = steal(p);
	return 0;
}

void psi_free(struct psi *p)
{
	if (!p)
		return;
	sd_event_source_disable_unref(p->on_stall);
	auto_closep(&p->fd);
	free(p);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/running.h"

#include "cellsd/cgroup.h"
#include "cellsd/context.h"
#include "cellsd/disk_headroom.h"
#include "cellsd/foreground.h"
#include "cellsd/ksm.h"
#include "cellsd/launch.h"
#include "cellsd/lock.h"
#include "cellsd/module_autoload.h"
#include "cellsd/mount.h"
#include "cellsd/net.h"
#include "cellsd/notifications.h"
#include "cellsd/prestart.h"
#include "cellsd/resource.h"
#include "cellsd/vp_data.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define FREEZE_MS 50
#define REAP_MS 1000
#define KILL_AGAIN_MS 200

/* ---- the end */

/*
 * The cgroup is empty a moment before its processes can be waited for. An init
 * that an earlier daemon started is not our child: -ECHILD.
 */
static void reap(const struct vp_run *run)
{
	struct pollfd p = { .fd = run->pidfd, .events = POLLIN };
	siginfo_t info;

	if (run->pidfd >= 0 && poll(&p, 1, REAP_MS) == 1)
		waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED | WNOHANG);
}

/*
 * What of it is on its way to the disk waits for its rates no more: its
 * processes end, and its key goes, only behind that.
 */
static void unrate(const struct vp_run *run)
{
	leaf_unrate(run->leaf, run->disk);
}

static void kill_all(const struct vp_run *run)
{
	unrate(run);
	leaf_kill(run->leaf);
}

static void ended(struct host *h, struct vp *v)
{
	char leaf[VP_LEAF_SIZE];
	const char *cause = v->run->cause ? v->run->cause : "ended";
	uint64_t ns;
	struct err e;

	if (roster_front(h->roster) == v &&
	    front_switch(h, NULL, "ended", &ns, &e) < 0)
		log_error("%s", e.text);
	memcpy(leaf, v->run->leaf_name, sizeof(leaf));
	unrate(v->run);
	front_release(h, v);
	net_detach(h, v);
	reap(v->run);
	attention_close(steal(v->run->attention));
	vp_run_free(steal(v->run));
	if (leaf_remove(h->cgroup, leaf, &e) < 0)
		log_warning("%s", e.text);
	if (roster_move(h->roster, v, VPEVENT_END, &e) < 0)
		log_error("%s", e.text);
	v->ended_ns = clock_boot_ns();
	autoload_settle(h);
	prepared_arm(h->prepared);
	if (v->state != VPSTATE_WIPING)
		h->watch.changed(h->watch.arg, v->name, v->state, cause);
	if (v->state == VPSTATE_WIPING || v->state == VPSTATE_LOCKED)
		lockdown_begin(h, v);
	else
		host_tell_waiters(v, NULL);
}

static bool is_over(const struct vp *v)
{
	return leaf_populated(v->run->leaf) == 0;
}

/* VPs do not move in memory while they run, and the host never does. */
static struct vp *vp_of(struct host *h, sd_event_source *s)
{
	for (unsigned int i = 0; i < h->roster->n; i++) {
		struct vp_run *run = h->roster->vp[i]->run;

		if (run && (run->on_exit == s || run->on_empty == s ||
			    run->on_timeout == s || run->on_console == s))
			return h->roster->vp[i];
	}
	return NULL;
}

/* Its init is dead. What is left in the cgroup goes too. */
static int on_exit_of(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct host *h = arg;
	struct vp *v = vp_of(h, s);

	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (!v)
		return 0;
	reap(v->run);
	kill_all(v->run);
	if (is_over(v))
		ended(h, v);
	return 0;
}

static int on_empty(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct host *h = arg;
	struct vp *v = vp_of(h, s);
	char text[256];

	if (pread(fd, text, sizeof(text), 0) < 0)
		return 0;
	if (v && is_over(v))
		ended(h, v);
	return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *arg)
{
	struct host *h = arg;
	struct vp *v = vp_of(h, s);

	if (!v)
		return 0;
	kill_all(v->run);
	if (is_over(v)) {
		ended(h, v);
		return 0;
	}
	/* Until it is gone: a process may hang in the kernel for a while. */
	sd_event_source_set_time_relative(s, KILL_AGAIN_MS * 1000);
	sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

static int on_console(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct vp *v = vp_of(arg, s);
	char text[4096];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n <= 0) {
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
		return 0;
	}
	text[n] = '\0';
	if (v)
		log_debug("console of VP %s: %s", v->name, text);
	return 0;
}

void running_drain_console(struct vp *v, bool on)
{
	if (v->run && v->run->on_console)
		sd_event_source_set_enabled(v->run->on_console,
					    on ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int watch(struct host *h, struct vp *v, struct err *e)
{
	struct vp_run *run = v->run;
	sd_event *loop = h->options.loop;
	int r;

	r = leaf_events(run->leaf, &run->events, e);
	if (r < 0)
		return r;
	r = sd_event_add_io(loop, &run->on_empty, run->events, EPOLLPRI,
			    on_empty, h);
	if (r >= 0 && run->pidfd >= 0)
		r = sd_event_add_io(loop, &run->on_exit, run->pidfd, EPOLLIN,
				    on_exit_of, h);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, &run->on_timeout,
					       CLOCK_MONOTONIC, 0, 0,
					       on_timeout, h);
	if (r >= 0)
		r = sd_event_source_set_enabled(run->on_timeout, SD_EVENT_OFF);
	if (r >= 0 && run->console >= 0)
		r = sd_event_add_io(loop, &run->on_console, run->console,
				    EPOLLIN, on_console, h);
	return r < 0 ? err_sys(e, -r, "watch VP %s", v->name) : 0;
}

static void end_within(struct vp_run *run, uint64_t ms)
{
	sd_event_source_set_time_relative(run->on_timeout, ms * 1000);
	sd_event_source_set_enabled(run->on_timeout, SD_EVENT_ONESHOT);
}

/* It waits for signals in rt_sigtimedwait(2), as busybox's init does. */
static bool waits_for_signals(pid_t pid)
{
	char path[64];
	auto_fclose FILE *f = NULL;
	int call;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	f = fopen(path, "re");
	return f && fscanf(f, "%d", &call) == 1 && call == SYS_rt_sigtimedwait;
}

/*
 * From outside, a signal reaches a pid namespace's init only if it handles it,
 * or keeps it to fetch it later, as systemd does.
 */
static bool handles(pid_t pid, int signal_number)
{
	char path[64], line[256];
	unsigned long long mask, all = 0;
	auto_fclose FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %llx", &mask) == 1 ||
		    sscanf(line, "SigCgt: %llx", &mask) == 1)
			all |= mask;
	return all >> (signal_number - 1) & 1 || waits_for_signals(pid);
}

void running_end(struct host *h, struct vp *v, bool force, const char *cause)
{
	struct vp_run *run = v->run;
	uint64_t ns;
	struct err e;

	if (!run)
		return;
	run->cause = cause;
	headroom_let_go(v);
	if (roster_front(h->roster) == v &&
	    front_switch(h, NULL, cause, &ns, &e) < 0)
		log_error("%s", e.text);
	if (!force && run->pidfd >= 0 &&
	    handles(run->pid, v->conf.stop_signal) &&
	    syscall(SYS_pidfd_send_signal, run->pidfd, v->conf.stop_signal,
		    NULL, 0) == 0) {
		end_within(run, h->options.stop_ms);
		return;
	}
	/* At once nothing of it runs any more; then it goes. */
	leaf_freeze(run->leaf, FREEZE_MS);
	kill_all(run);
	end_within(run, KILL_AGAIN_MS);
}

/* ---- the start */

int running_start(struct host *h, struct vp *v, const char *cause,
		  struct err *e)
{
	int r;

	if (v->run && v->run->cause)
		return err_reason(e, REASON_BUSY, "start VP %s: it is stopping",
				  v->name);
	if (vpstate_runs(v->state) && v->run)
		return 0;
	r = autoload_stop(h, e);
	if (r == 0)
		r = launch_start(h, v, e);
	if (r == 0) {
		r = watch(h, v, e);
		if (r < 0)
			launch_undo(h, v);
	}
	if (r < 0) {
		autoload_settle(h);
		if (e->reason == REASON_NONE)
			e->reason = REASON_KERNEL;
		return r;
	}
	v->unprepared = false;
	h->watch.changed(h->watch.arg, v->name, v->state, cause);
	merge_burst(h->merge);
	prepared_arm(h->prepared);
	return 0;
}

/* ---- after a restart */

struct find {
	pid_t pid;
};

/* The VP's init is number 1 in a pid namespace right below ours. */
static int find_init(void *arg, pid_t pid)
{
	struct find *f = arg;
	char path[64], line[256];
	auto_fclose FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		int outer, inner, more;

		if (sscanf(line, "NSpid: %d %d %d", &outer, &inner, &more) ==
			    2 &&
		    inner == 1)
			f->pid = pid;
	}
	return 0;
}

static bool has_no_new_privs(pid_t pid)
{
	char path[64], line[256];
	auto_fclose FILE *f = NULL;
	int set = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "NoNewPrivs: %d", &set) == 1)
			break;
	return set;
}

static void adopt_init(struct host *h, struct vp *v)
{
	struct vp_run *run = v->run;
	struct find f = { .pid = -1 };
	char root[64];
	struct err e;

	leaf_each_pid(run->leaf, find_init, &f);
	if (f.pid < 0)
		return;
	run->pid = f.pid;
	run->no_new_privs = has_no_new_privs(f.pid);
	run->pidfd = (int)syscall(SYS_pidfd_open, f.pid, 0);
	snprintf(root, sizeof(root), "/proc/%d/root", (int)f.pid);
	auto_close int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 &&
	    mnt_open(fd, "dev", O_RDONLY | O_DIRECTORY, &run->dev, &e) < 0)
		log_warning("%s", e.text);
	/* A VP that mounted something of its own there has no socket. */
	if (fd >= 0 && (mnt_open_tmpfs(f.pid, fd, "run", &run->dir, &e) < 0 ||
			attention_open(h, v, run->dir, front_switch, &e) < 0))
		log_warning("%s", e.text);
}

int running_adopt(struct host *h, struct vp *v, struct err *e)
{
	struct vp_run *run = v->run;
	int r = leaf_open(h->cgroup, run->leaf_name, &run->leaf, e);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT || is_over(v)) {
		launch_undo(h, v);
		return 0;
	}
	run->since_ns = clock_boot_ns();
	net_adopt(h, v);
	adopt_init(h, v);
	return 0;
}

int running_resume(struct host *h, struct vp *v, struct err *e)
{
	struct vp_run *run = v->run;
	const struct backend_vp bv = vp_backend(v);
	int r;

	r = h->backend_type->hold(h->backend, &bv, e);
	if (r == 0 && h->backend_type->allowed(h->backend, run->leaf,
					       &run->allowed, e) < 0)
		run->allowed = UINT32_MAX; /* all is taken anew */
	if (r == 0)
		r = watch(h, v, e);
	if (r < 0)
		return r;
	/* They hold; which of them do not is known only by trying. */
	run->disk = vpdata_disk(h->vpdata, v);
	resource_settle(v, roster_front(h->roster) == v);
	/* The daemon may have died while it had stopped the VP to look at it.
	 */
	leaf_thaw(run->leaf);
	/* Half born, or ended on paper only: the end is finished. */
	if (run->pidfd < 0 || !vpstate_runs(v->state))
		running_end(h, v, true, "ended");
	return 0;
}

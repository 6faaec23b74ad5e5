/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/running.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/container/ksm.h"
#include "cellsd/container/mount.h"
#include "cellsd/lifecycle/device_state.h"
#include "cellsd/lifecycle/disk_headroom.h"
#include "cellsd/lifecycle/foreground.h"
#include "cellsd/lifecycle/foreground_socket.h"
#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/lifecycle/key_eviction.h"
#include "cellsd/lifecycle/launch.h"
#include "cellsd/lifecycle/module_autoload.h"
#include "cellsd/lifecycle/prestart.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/net.h"
#include "cellsd/vp/resource.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/timer.h"

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
static void reap_init_process(const struct vp_run *run)
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
static void clear_io_limits(const struct vp_run *run)
{
	cgroup_clear_io_limits(run->cgroup, run->disk);
}

static void kill_all_processes(const struct vp_run *run)
{
	clear_io_limits(run);
	cgroup_kill(run->cgroup);
}

static void complete_vp_end(struct running *u, struct vp *v)
{
	char cgroup[VP_CGROUP_SIZE];
	const char *cause = v->run->cause ? v->run->cause : "ended";
	uint64_t ns;
	struct err e;

	if (vp_table_get_foreground(u->launch->vps) == v &&
	    foreground_switch(u->foreground, NULL, "ended", &ns, &e) < 0)
		log_error("%s", e.text);
	memcpy(cgroup, v->run->cgroup_name, sizeof(cgroup));
	clear_io_limits(v->run);
	foreground_detach_vp(u->foreground, v);
	net_detach_vp(u->launch->net, v);
	reap_init_process(v->run);
	foreground_socket_close(steal(v->run->foreground_socket));
	vp_run_free(steal(v->run));
	if (cgroup_remove(u->launch->cgroup, cgroup, &e) < 0)
		log_warning("%s", e.text);
	if (vp_table_apply_event(u->launch->vps, v, VP_EVENT_END, &e) < 0)
		log_error("%s", e.text);
	v->ended_ns = clock_boot_ns();
	module_autoload_restore_if_idle(u->module_autoload);
	prestart_schedule(u->prestart);
	if (v->state != VP_STATE_WIPING)
		u->callbacks->changed(u->callbacks->arg, v->name, v->state,
				      cause);
	if (v->state == VP_STATE_WIPING || v->state == VP_STATE_LOCKED)
		key_eviction_start(u->key_eviction, v);
	else
		vp_notify_waiters(v, NULL);
}

static bool is_cgroup_empty(const struct vp *v)
{
	return cgroup_is_populated(v->run->cgroup) == 0;
}

/* VPs do not move in memory while they run, and the host never does. */
static struct vp *find_vp_by_source(const struct running *u, sd_event_source *s)
{
	for (unsigned int i = 0; i < u->launch->vps->n; i++) {
		struct vp_run *run = u->launch->vps->vp[i]->run;

		if (run && (run->on_exit == s || run->on_empty == s ||
			    run->on_timeout == s || run->on_console == s))
			return u->launch->vps->vp[i];
	}
	return NULL;
}

/* Its init is dead. What is left in the cgroup goes too. */
static int on_init_exit(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct running *u = arg;
	struct vp *v = find_vp_by_source(u, s);

	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (!v)
		return 0;
	reap_init_process(v->run);
	kill_all_processes(v->run);
	if (is_cgroup_empty(v))
		complete_vp_end(u, v);
	return 0;
}

static int on_cgroup_event(sd_event_source *s, int fd, uint32_t events,
			   void *arg)
{
	struct running *u = arg;
	struct vp *v = find_vp_by_source(u, s);
	char text[256];

	if (pread(fd, text, sizeof(text), 0) < 0)
		return 0;
	if (v && is_cgroup_empty(v))
		complete_vp_end(u, v);
	return 0;
}

static int on_stop_timeout(sd_event_source *s, uint64_t usec, void *arg)
{
	struct running *u = arg;
	struct vp *v = find_vp_by_source(u, s);

	if (!v)
		return 0;
	kill_all_processes(v->run);
	if (is_cgroup_empty(v)) {
		complete_vp_end(u, v);
		return 0;
	}
	/* Until it is gone: a process may hang in the kernel for a while. */
	return timer_start(s, KILL_AGAIN_MS * 1000);
}

static int on_console_output(sd_event_source *s, int fd, uint32_t events,
			     void *arg)
{
	struct vp *v = find_vp_by_source(arg, s);
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

static int watch_running_vp(struct running *u, struct vp *v, struct err *e)
{
	struct vp_run *run = v->run;
	sd_event *loop = u->loop;
	int r;

	r = cgroup_open_events(run->cgroup, &run->events, e);
	if (r < 0)
		return r;
	r = sd_event_add_io(loop, &run->on_empty, run->events, EPOLLPRI,
			    on_cgroup_event, u);
	if (r >= 0 && run->pidfd >= 0)
		r = sd_event_add_io(loop, &run->on_exit, run->pidfd, EPOLLIN,
				    on_init_exit, u);
	if (r >= 0)
		r = timer_new(loop, CLOCK_MONOTONIC, on_stop_timeout, u,
			      &run->on_timeout);
	if (r >= 0 && run->console >= 0)
		r = sd_event_add_io(loop, &run->on_console, run->console,
				    EPOLLIN, on_console_output, u);
	return r < 0 ? err_sys(e, -r, "watch VP %s", v->name) : 0;
}

/* It waits for signals in rt_sigtimedwait(2), as busybox's init does. */
static bool is_waiting_for_signals(pid_t pid)
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
static bool is_signal_handled(pid_t pid, int signal_number)
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
	return all >> (signal_number - 1) & 1 || is_waiting_for_signals(pid);
}

void running_stop_vp(struct running *u, struct vp *v, bool force,
		     const char *cause)
{
	struct vp_run *run = v->run;
	uint64_t ns;
	struct err e;

	if (!run)
		return;
	run->cause = cause;
	disk_headroom_thaw_vp(v);
	if (vp_table_get_foreground(u->launch->vps) == v &&
	    foreground_switch(u->foreground, NULL, cause, &ns, &e) < 0)
		log_error("%s", e.text);
	if (!force && run->pidfd >= 0 &&
	    is_signal_handled(run->pid, v->conf.stop_signal) &&
	    syscall(SYS_pidfd_send_signal, run->pidfd, v->conf.stop_signal,
		    NULL, 0) == 0) {
		timer_start(run->on_timeout, u->stop_ms * 1000);
		return;
	}
	/* At once nothing of it runs any more; then it goes. */
	cgroup_freeze(run->cgroup, FREEZE_MS);
	kill_all_processes(run);
	timer_start(run->on_timeout, KILL_AGAIN_MS * 1000);
}

/* ---- the start */

int running_start_vp(struct running *u, struct vp *v, const char *cause,
		     struct err *e)
{
	int r;

	if (v->run && v->run->cause)
		return err_reason(e, REASON_BUSY, "start VP %s: it is stopping",
				  v->name);
	if (vp_state_is_running(v->state) && v->run)
		return 0;
	r = module_autoload_disable(u->module_autoload, e);
	if (r == 0)
		r = launch_start(u->launch, v, e);
	if (r == 0) {
		r = watch_running_vp(u, v, e);
		if (r < 0)
			launch_undo(u->launch, v);
	}
	if (r < 0) {
		module_autoload_restore_if_idle(u->module_autoload);
		if (e->reason == REASON_NONE)
			e->reason = REASON_KERNEL;
		return r;
	}
	v->prestart_failed = false;
	u->callbacks->changed(u->callbacks->arg, v->name, v->state, cause);
	ksm_start_scan(u->ksm);
	prestart_schedule(u->prestart);
	return 0;
}

/* ---- after a restart */

struct init_search {
	pid_t pid;
};

/* The VP's init is number 1 in a pid namespace right below ours. */
static int find_vp_init(void *arg, pid_t pid)
{
	struct init_search *f = arg;
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

static void adopt_vp_init(struct running *u, struct vp *v)
{
	struct vp_run *run = v->run;
	struct init_search f = { .pid = -1 };
	char root[64];
	struct err e;

	cgroup_each_pid(run->cgroup, find_vp_init, &f);
	if (f.pid < 0)
		return;
	run->pid = f.pid;
	run->no_new_privs = has_no_new_privs(f.pid);
	run->pidfd = (int)syscall(SYS_pidfd_open, f.pid, 0);
	snprintf(root, sizeof(root), "/proc/%d/root", (int)f.pid);
	auto_close int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && mount_open_beneath(fd, "dev", O_RDONLY | O_DIRECTORY,
					  &run->dev, &e) < 0)
		log_warning("%s", e.text);
	/* A VP that mounted something of its own there has no socket. */
	if (fd >= 0 &&
	    (mount_open_tmpfs(f.pid, fd, "run", &run->dir, &e) < 0 ||
	     foreground_offer_socket(u->foreground, v, run->dir, &e) < 0))
		log_warning("%s", e.text);
}

int running_adopt_vp(struct running *u, struct vp *v, struct err *e)
{
	struct vp_run *run = v->run;
	int r = cgroup_open(u->launch->cgroup, run->cgroup_name, &run->cgroup,
			    e);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT || is_cgroup_empty(v)) {
		launch_undo(u->launch, v);
		return 0;
	}
	run->since_ns = clock_boot_ns();
	net_adopt_vp(u->launch->net, v);
	adopt_vp_init(u, v);
	return 0;
}

int running_resume_vp(struct running *u, struct vp *v, struct err *e)
{
	struct vp_run *run = v->run;
	const struct backend_vp bv = vp_get_backend_vp(v);
	int r;

	r = u->launch->device->type->attach(u->launch->device->backend, &bv, e);
	if (r == 0 &&
	    u->launch->device->type->allowed(u->launch->device->backend,
					     run->cgroup, &run->allowed, e) < 0)
		run->allowed = UINT32_MAX; /* all is applied again */
	if (r == 0)
		r = watch_running_vp(u, v, e);
	if (r < 0)
		return r;
	/* They hold; which of them do not is known only by trying. */
	run->disk = vp_data_get_disk(u->launch->vp_data, v);
	resource_apply_limits(v, vp_table_get_foreground(u->launch->vps) == v);
	/* The daemon may have died while it had stopped the VP to look at it.
	 */
	cgroup_thaw(run->cgroup);
	/* Half born, or ended on paper only: the end is finished. */
	if (run->pidfd < 0 || !vp_state_is_running(v->state))
		running_stop_vp(u, v, true, "ended");
	return 0;
}

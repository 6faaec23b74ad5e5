/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus/exec_session.h"

#include "cellsd/container/exec.h"
#include "cellsd/container/selinux.h"
#include "cellsd/lifecycle/running.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EXEC_SESSION_MAX 256

/* A program under way, or a console in use. */
struct exec_session {
	struct exec_session_list *all;
	struct exec_session *next;
	char vp[VP_NAME_SIZE];
	sd_bus_message *call;
	int pidfd;
	sd_event_source *on_exit;
	sd_bus_track *track;
};

struct exec_session_list {
	const struct confinement *confinement;
	const struct vp_table *vps;
	sd_event *loop;
	struct exec_session *first;
	unsigned int n;
};

int exec_session_list_new(const struct confinement *c,
			  const struct vp_table *vps, sd_event *loop,
			  struct exec_session_list **ret, struct err *e)
{
	struct exec_session_list *g = calloc(1, sizeof(*g));

	if (!g)
		return err_oom(e, "list the sessions");
	g->confinement = c;
	g->vps = vps;
	g->loop = loop;
	*ret = g;
	return 0;
}

static void exec_session_free(struct exec_session *g)
{
	struct exec_session **at;

	for (at = &g->all->first; *at; at = &(*at)->next) {
		if (*at != g)
			continue;
		*at = g->next;
		g->all->n--;
		break;
	}
	sd_event_source_disable_unref(g->on_exit);
	sd_bus_track_unref(g->track);
	sd_bus_message_unref(g->call);
	auto_closep(&g->pidfd);
	free(g);
}

static void exec_session_freep(struct exec_session **g)
{
	if (*g)
		exec_session_free(*g);
}

void exec_session_list_free(struct exec_session_list *g)
{
	while (g && g->first)
		exec_session_free(g->first);
	free(g);
}

static struct exec_session *exec_session_new(struct exec_session_list *all,
					     const struct vp *v, struct err *e)
{
	struct exec_session *g;

	if (all->n == EXEC_SESSION_MAX) {
		err_reason(e, REASON_BUSY, "more than %d programs and consoles",
			   EXEC_SESSION_MAX);
		return NULL;
	}
	g = calloc(1, sizeof(*g));
	if (!g) {
		err_oom(e, "start a session");
		return NULL;
	}
	g->all = all;
	g->pidfd = -1;
	memcpy(g->vp, v->name, sizeof(g->vp));
	g->next = all->first;
	all->first = g;
	all->n++;
	return g;
}

static int on_program_exit(sd_event_source *s, int fd, uint32_t events,
			   void *arg)
{
	struct exec_session *g = arg;

	sd_bus_reply_method_return(g->call, "i", exec_get_exit_code(fd));
	exec_session_free(g);
	return 0;
}

/* The caller left the bus: nobody waits for the program any more. */
static int on_exec_caller_gone(sd_bus_track *track, void *arg)
{
	struct exec_session *g = arg;

	/* Safe because the pidfd is our own child, not yet waited for. */
	syscall(SYS_pidfd_send_signal, g->pidfd, SIGKILL, NULL, 0);
	return 1; /* with 0 sd-bus calls this again, for ever */
}

static int track_bus_caller(struct exec_session *g, sd_bus_message *m,
			    sd_bus_track_handler_t handler, struct err *e)
{
	int r = sd_bus_track_new(sd_bus_message_get_bus(m), &g->track, handler,
				 g);

	if (r >= 0)
		r = sd_bus_track_add_sender(g->track, m);
	return r < 0 ? err_sys(e, -r, "watch the caller") : 0;
}

static void strv_freep(char ***v)
{
	for (char **s = *v; s && *s; s++)
		free(*s);
	free(*v);
}

/*
 * A VP may reopen what it is given (/proc/self/fd), with other rights, and
 * look for what is beside it. Of a pipe without a name and of a terminal there
 * is no more to be had.
 */
static int check_stdio_files(const int fd[3], struct err *e)
{
	struct statfs fs;

	for (int i = 0; i < 3; i++) {
		if (fstatfs(fd[i], &fs) < 0)
			return err_sys(e, errno, "look at standard file %d", i);
		if (fs.f_type != PIPEFS_MAGIC &&
		    fs.f_type != DEVPTS_SUPER_MAGIC)
			return err_set(
				e, EINVAL,
				"exec: standard file %d is not a pipe and "
				"no pseudo terminal: a VP gets no files "
				"of the host; relay it, as cellsctl does",
				i);
	}
	return 0;
}

int exec_session_run(struct exec_session_list *all, struct vp *v,
		     sd_bus_message *m, struct err *e)
{
	AUTO(exec_session_freep)
	struct exec_session *g = exec_session_new(all, v, e);
	AUTO(strv_freep) char **argv = NULL;
	char label[SELINUX_CONTEXT_SIZE];
	struct exec_plan plan = {
		.init = v->run->pidfd,
		.cgroup = v->run->cgroup,
		.label = label,
		.confinement = all->confinement,
		/* As the VP was started; stricter at once. */
		.no_new_privs = v->run->no_new_privs || v->conf.no_new_privs,
	};
	int r;

	if (!g)
		return -EBUSY;
	r = sd_bus_message_read_strv(m, &argv);
	if (r >= 0)
		r = sd_bus_message_read(m, "hhh", &plan.fd[0], &plan.fd[1],
					&plan.fd[2]);
	if (r < 0)
		return err_sys(e, -r, "read Exec");
	if (!argv || !argv[0] || !*argv[0])
		return err_set(e, EINVAL, "read Exec: no program");
	r = check_stdio_files(plan.fd, e);
	if (r < 0)
		return r;
	plan.argv = argv;
	selinux_format_process_context(v->number, label);
	r = track_bus_caller(g, m, on_exec_caller_gone, e);
	if (r == 0)
		r = exec_start(&plan, &g->pidfd, e);
	if (r < 0)
		return r;
	r = sd_event_add_io(all->loop, &g->on_exit, g->pidfd, EPOLLIN,
			    on_program_exit, g);
	if (r < 0)
		return err_sys(e, -r, "watch a program");
	g->call = sd_bus_message_ref(m);
	g = NULL;
	return 1;
}

/* The caller left: what the console writes is dropped again. */
static int on_console_caller_gone(sd_bus_track *track, void *arg)
{
	struct exec_session *g = arg;
	struct vp *v = vp_table_find_vp(g->all->vps, g->vp);

	for (struct exec_session *o = g->all->first; o; o = o->next)
		if (o != g && o->track && !o->call && strcmp(o->vp, g->vp) == 0)
			v = NULL; /* somebody else has it */
	if (v)
		running_drain_console(v, true);
	exec_session_free(g);
	return 1;
}

int exec_session_open_console(struct exec_session_list *all, struct vp *v,
			      sd_bus_message *m, struct err *e)
{
	AUTO(exec_session_freep) struct exec_session *g = NULL;
	int r;

	if (v->run->console < 0)
		return err_reason(e, REASON_VP_STATE,
				  "VP %s: its console was lost in a restart; "
				  "use exec, or start the VP again",
				  v->name);
	g = exec_session_new(all, v, e);
	if (!g)
		return -EBUSY;
	r = track_bus_caller(g, m, on_console_caller_gone, e);
	if (r < 0)
		return r;
	running_drain_console(v, false);
	r = sd_bus_reply_method_return(m, "h", v->run->console);
	if (r < 0)
		return err_sys(e, -r, "answer Console");
	g = NULL;
	return 1;
}

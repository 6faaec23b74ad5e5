/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/schedule.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/access/evaluate.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FAR_AWAY (7 * 24 * 3600)

struct schedule {
	struct schedule_options o;
	int fd; /* wall clock, cancelled when it is set */
	sd_event_source *edge;
};

void schedule_arm_timer(struct schedule *s)
{
	struct itimerspec spec = { 0 };
	struct access_time at;
	int64_t left;

	if (!s)
		return;
	evaluate_get_time(s->o.time, &at);
	left = access_next_edge(s->o.in_force->policy,
				s->o.in_force->n_policies, &at);
	spec.it_value.tv_sec = time(NULL) + (left > 0 ? left : FAR_AWAY);
	if (timerfd_settime(s->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
			    &spec, NULL) < 0)
		log_error("set the window timer: %s", strerror(errno));
}

static int on_window_edge(sd_event_source *source, int fd, uint32_t events,
			  void *arg)
{
	struct schedule *s = arg;
	uint64_t n;

	/* ECANCELED: the clock was set. Either way the policies are asked. */
	if (read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN)
		return 0;
	schedule_arm_timer(s);
	s->o.changed(s->o.arg);
	return 0;
}

int schedule_new(const struct schedule_options *o, struct schedule **ret,
		 struct err *e)
{
	AUTO(schedule_freep) struct schedule *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(e, "timers");
	s->o = *o;
	s->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (s->fd < 0)
		return err_sys(e, errno, "timers");
	r = sd_event_add_io(o->event, &s->edge, s->fd, EPOLLIN, on_window_edge,
			    s);
	if (r < 0)
		return err_sys(e, -r, "timers");
	*ret = steal(s);
	return 0;
}

void schedule_free(struct schedule *s)
{
	if (!s)
		return;
	sd_event_source_unref(s->edge);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

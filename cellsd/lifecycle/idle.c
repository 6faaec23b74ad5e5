/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/idle.h"

#include "cellsd/device/backend.h"
#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/timer.h"

#include <cells/class.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define NODES_MAX 32
#define INPUT_MAJOR 13
#define SECOND_NS UINT64_C(1000000000)
/* After input, nobody looks at more of it for so long. */
#define PAUSE_USEC 500000
#define AGAIN_USEC (5 * 1000000)
#define REPORTS_MAX 3

struct idle {
	struct idle_options options;
	sd_event *loop;
	uint64_t since_ns; /* boot */
	uint64_t input_ns; /* boot; of the user's last act; 0: none yet */
	unsigned int reported, n;
	sd_event_source *timer, *pause, *node[NODES_MAX];
};

/* How long until the VP in front counts as idle; UINT64_MAX: never. */
static uint64_t get_remaining_idle_ns(const struct idle *i,
				      const struct vp *foreground)
{
	uint64_t limit, past = clock_boot_ns() - i->since_ns;

	if (!foreground || foreground->conf.idle_seconds == 0)
		return UINT64_MAX;
	limit = foreground->conf.idle_seconds * SECOND_NS;
	return past < limit ? limit - past : 0;
}

void idle_schedule_check(struct idle *i)
{
	uint64_t ns;

	ns = get_remaining_idle_ns(i, vp_table_get_foreground(i->options.vps));
	if (ns == UINT64_MAX)
		sd_event_source_set_enabled(i->timer, SD_EVENT_OFF);
	else
		timer_start(i->timer, ns / 1000 + 1);
}

void idle_record_activity(struct idle *i)
{
	i->since_ns = clock_boot_ns();
	i->reported = 0;
}

void idle_record_input(struct idle *i)
{
	i->input_ns = clock_boot_ns();
}

uint64_t idle_get_input_ns(const struct idle *i)
{
	return i->input_ns;
}

static int on_idle_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct idle *i = arg;
	struct vp *foreground = vp_table_get_foreground(i->options.vps);

	if (get_remaining_idle_ns(i, foreground) > 0) {
		idle_schedule_check(i);
		return 0;
	}
	timer_start(i->timer, AGAIN_USEC);
	if (i->reported++ < REPORTS_MAX) {
		i->options.callbacks->idle(i->options.callbacks->arg,
					   foreground->name);
		return 0;
	}
	/* Nobody heard it. */
	i->options.lock(i->options.arg, foreground);
	return 0;
}

/* ---- input */

static void set_input_nodes_enabled(struct idle *i, int state)
{
	for (unsigned int k = 0; k < i->n; k++)
		sd_event_source_set_enabled(i->node[k], state);
}

/* What came is thrown away, unread by anybody. */
static int on_input_event(sd_event_source *s, int fd, uint32_t events,
			  void *arg)
{
	struct idle *i = arg;
	char waste[4096];
	ssize_t n;

	do
		n = read(fd, waste, sizeof(waste));
	while (n > 0);
	explicit_bzero(waste, sizeof(waste));
	idle_record_input(i);
	idle_record_activity(i);
	if (n < 0 && errno != EAGAIN) {
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
		return 0;
	}
	set_input_nodes_enabled(i, SD_EVENT_OFF);
	timer_start(i->pause, PAUSE_USEC);
	return 0;
}

static int on_pause_elapsed(sd_event_source *s, uint64_t usec, void *arg)
{
	set_input_nodes_enabled(arg, SD_EVENT_ON);
	return 0;
}

static void close_input_nodes(struct idle *i)
{
	while (i->n > 0)
		sd_event_source_disable_unref(i->node[--i->n]);
}

static void watch_input_node(struct idle *i, const char *name)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		log_debug("watch %s: %s", path, strerror(errno));
		return;
	}
	if (sd_event_add_io(i->loop, &i->node[i->n], fd, EPOLLIN,
			    on_input_event, i) < 0) {
		close(fd);
		return;
	}
	sd_event_source_set_io_fd_own(i->node[i->n], true);
	i->n++;
}

void idle_watch_inputs(struct idle *i, const struct backend_node *found,
		       size_t n)
{
	close_input_nodes(i);
	for (size_t k = 0; k < n && i->n < NODES_MAX; k++)
		if (found[k].classes >> CELLS_CLASS_INPUT & 1 &&
		    !found[k].block && found[k].major == INPUT_MAJOR)
			watch_input_node(i, found[k].name);
}

int idle_new(const struct idle_options *o, sd_event *loop, struct idle **ret,
	     struct err *e)
{
	struct idle *i = calloc(1, sizeof(*i));
	int r;

	if (!i)
		return err_oom(e, "watch for input");
	i->options = *o;
	i->loop = loop;
	i->since_ns = clock_boot_ns();
	r = timer_new(loop, CLOCK_BOOTTIME, on_idle_timer, i, &i->timer);
	if (r == 0)
		r = timer_new(loop, CLOCK_MONOTONIC, on_pause_elapsed, i,
			      &i->pause);
	if (r < 0) {
		idle_free(i);
		return err_sys(e, -r, "watch for input");
	}
	*ret = i;
	return 0;
}

void idle_free(struct idle *i)
{
	if (!i)
		return;
	close_input_nodes(i);
	sd_event_source_disable_unref(i->timer);
	sd_event_source_disable_unref(i->pause);
	free(i);
}

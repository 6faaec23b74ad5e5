/* SPDX-License-Identifier: Apache-2.0 */
/* cellsd: the root daemon. It does what cells-policyd decided. */
#include "cellsd/bus/bus_service.h"
#include "cellsd/container/cloned_binary.h"
#include "cellsd/settings.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/opt.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

static int run_event_loop(struct settings *s, struct err *e)
{
	AUTO(sd_event_unrefp) sd_event *loop = NULL;
	AUTO(bus_service_closep) struct bus_service *d = NULL;
	sigset_t ends;
	int r;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* VPs see the folders that we make for them. */
	umask(022);
	r = sd_event_new(&loop);
	if (r >= 0)
		r = sd_event_add_signal(loop, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(loop, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_set_watchdog(loop, true);
	if (r < 0)
		return err_sys(e, -r, "make the event loop");
	s->options.loop = loop;
	r = bus_service_open(&s->options, &d, e);
	if (r < 0)
		return r;
	sd_notify(0, "READY=1");
	r = sd_event_loop(loop);
	sd_notify(0, "STOPPING=1");
	return r < 0 ? err_sys(e, -r, "wait for events") : 0;
}

int main(int argc, char **argv)
{
	AUTO(settings_fini) struct settings s;
	struct err e;
	int r;

	log_open("cellsd");
	r = settings_read(argc, argv, &s, &e);
	if (r == -ECANCELED)
		return EXIT_SUCCESS;
	if (r < 0) {
		log_error("%s", e.text);
		return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	}
	if (s.check_only)
		return EXIT_SUCCESS;
	log_daemon();
	if (cloned_binary_ensure(argv, &e) < 0)
		log_warning("%s; VPs can name the program on the disk", e.text);
	r = run_event_loop(&s, &e);
	if (r < 0)
		log_error("%s", e.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

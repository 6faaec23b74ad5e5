/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/ksm.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/timer.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif

#define KSM "/sys/kernel/mm/ksm/"
#define MARK "merging" /* in the run dir: the burst is ours to end */
#define LOOK_MS 2000
#define LOOKS_LEAST 5 /* programs of a VP come one after the other */
#define LOOKS_MAX 29  /* a minute, with the first and the last */
#define SCANS_LEAST 2 /* the kernel merges what is equal at two visits */
#define RATE_LEAST 64 /* pages between two looks that are news */

struct ksm {
	char *mark;
	sd_event_source *on_look;
	uint64_t sharing, known; /* pages, at the last look */
	uint64_t scans;		 /* of all memory, when there last was news */
	unsigned int looks;
};

static uint64_t read_ksm_counter(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

static bool write_ksm_run(const char *value)
{
	auto_close int fd = open(KSM "run", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, value, 1) == 1;
}

void ksm_enable_process(void)
{
	/* A kernel without it goes on without it. */
	prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0);
}

/* What is merged stays so. */
static void stop_own_scan(const struct ksm *m)
{
	if (access(m->mark, F_OK) < 0)
		return;
	write_ksm_run("0");
	unlink(m->mark);
}

/*
 * Found as equal, or seen at all. A scan in which memory is seen for the first
 * time merges nothing, so that the first alone would end a burst too soon.
 */
static bool has_new_shared_pages(struct ksm *m)
{
	const uint64_t sharing = read_ksm_counter(KSM "pages_sharing");
	const uint64_t known = sharing + read_ksm_counter(KSM "pages_shared") +
			       read_ksm_counter(KSM "pages_unshared") +
			       read_ksm_counter(KSM "pages_volatile");
	bool news = sharing >= m->sharing + RATE_LEAST ||
		    known >= m->known + RATE_LEAST;

	m->sharing = sharing;
	m->known = known;
	return news;
}

static int on_scan_check(sd_event_source *s, uint64_t usec, void *arg)
{
	struct ksm *m = arg;
	uint64_t scans = read_ksm_counter(KSM "full_scans");

	if (has_new_shared_pages(m) || m->looks < LOOKS_LEAST)
		m->scans = scans;
	if (++m->looks > LOOKS_MAX || scans >= m->scans + SCANS_LEAST) {
		stop_own_scan(m);
		log_debug("equal pages of VPs: %llu",
			  (unsigned long long)m->sharing);
		return 0;
	}
	return timer_start(s, LOOK_MS * 1000);
}

void ksm_start_scan(struct ksm *m)
{
	struct err e;

	if (!m)
		return;
	m->looks = 0;
	if (access(m->mark, F_OK) < 0) {
		if (read_ksm_counter(KSM "run") != 0)
			return; /* the host's own: it runs anyway */
		if (io_create_empty(m->mark, 0600, &e) < 0)
			return;
		if (!write_ksm_run("1")) {
			unlink(m->mark);
			return;
		}
	}
	timer_start(m->on_look, LOOK_MS * 1000);
}

static void ksm_freep(struct ksm **m)
{
	ksm_free(*m);
}

int ksm_new(const char *run_dir, sd_event *loop, struct ksm **ret,
	    struct err *e)
{
	AUTO(ksm_freep) struct ksm *m = NULL;
	int r;

	*ret = NULL;
	if (prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) < 0 ||
	    access(KSM "run", W_OK) < 0)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_oom(e, "merge memory");
	m->mark = io_join(run_dir, MARK);
	if (!m->mark)
		return err_oom(e, "merge memory");
	r = timer_new(loop, CLOCK_MONOTONIC, on_scan_check, m, &m->on_look);
	if (r < 0)
		return err_sys(e, -r, "merge memory");
	/* A burst of a daemon that was killed. */
	stop_own_scan(m);
	*ret = steal(m);
	return 0;
}

void ksm_free(struct ksm *m)
{
	if (!m)
		return;
	if (m->mark)
		stop_own_scan(m);
	sd_event_source_disable_unref(m->on_look);
	free(m->mark);
	free(m);
}

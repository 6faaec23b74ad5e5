/* SPDX-License-Identifier: Apache-2.0 */
#include "images/progress.h"

#include "lib/clock.h"
#include "lib/encoding.h"

#include <stdio.h>
#include <unistd.h>

#define NS UINT64_C(1000000000)
#define EVERY (NS / 10)
#define WIDTH 24

void progress_init(struct progress_meter *m, const char *what, uint64_t total)
{
	*m = (struct progress_meter){ .what = what,
				      .total = total,
				      .began = clock_mono_ns(),
				      .on = isatty(STDERR_FILENO) };
}

static void draw_progress_line(const struct progress_meter *m, uint64_t now)
{
	uint64_t ns = now - m->began;
	char done[24], rate[24], bar[WIDTH + 1];
	unsigned int full = 0;

	encoding_format_size(m->done, done);
	encoding_format_size(
		ns ? (uint64_t)((double)m->done * (double)NS / (double)ns) : 0,
		rate);
	if (m->total)
		full = (unsigned int)((double)m->done / (double)m->total *
				      WIDTH);
	for (unsigned int i = 0; i < WIDTH; i++)
		bar[i] = i < full ? '=' : ' ';
	bar[WIDTH] = '\0';
	if (m->total)
		fprintf(stderr, "\r%-12s [%s] %3u%% %s, %s/s\033[K", m->what,
			bar,
			(unsigned int)((double)m->done * 100.0 /
				       (double)m->total),
			done, rate);
	else
		fprintf(stderr, "\r%-12s %s, %s/s\033[K", m->what, done, rate);
}

void progress_add(struct progress_meter *m, uint64_t bytes)
{
	uint64_t now;

	m->done += bytes;
	if (!m->on)
		return;
	now = clock_mono_ns();
	if (now - m->shown < EVERY)
		return;
	m->shown = now;
	draw_progress_line(m, now);
}

void progress_end(struct progress_meter *m)
{
	if (m->on && m->shown)
		fputs("\r\033[K", stderr);
	m->on = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole daemon but its bus: opens the device and all its parts in their
 * order, goes on with what the last daemon left, and hears the kernel.
 */
#ifndef CELLSD_LIFECYCLE_DAEMON_H
#define CELLSD_LIFECYCLE_DAEMON_H

struct err;
struct context;
struct context_options;
struct context_callbacks;

/* Opens all and takes running VPs over. The watch is set before events come. */
int daemon_open(const struct context_options *o,
		const struct context_callbacks *w, struct context **ret,
		struct err *e);
/* Leaves running VPs running. */
void daemon_close(struct context *h);

static inline void daemon_closep(struct context **h)
{
	daemon_close(*h);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole daemon but its bus: opens the device and all its parts in their
 * order, goes on with what the last daemon left, and hears the kernel.
 */
#ifndef CELLSD_DAEMON_H
#define CELLSD_DAEMON_H

struct err;
struct host;
struct host_options;
struct host_watch;

/* Opens all and takes running VPs over. The watch is set before events come. */
int machine_open(const struct host_options *o, const struct host_watch *w,
		 struct host **ret, struct err *e);
/* Leaves running VPs running. */
void machine_close(struct host *h);

static inline void machine_closep(struct host **h)
{
	machine_close(*h);
}

#endif

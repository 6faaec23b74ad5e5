/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole daemon but its bus: opens the device and all its parts in their
 * order, goes on with what the last daemon left, and hears the kernel.
 */
#ifndef CELLSD_LIFECYCLE_DAEMON_H
#define CELLSD_LIFECYCLE_DAEMON_H

struct err;
struct host;
struct host_options;
struct host_callbacks;
struct unsupported_facts;

/* Opens all and takes running VPs over. The watch is set before events come. */
int daemon_open(const struct host_options *o, const struct host_callbacks *w,
		struct host **ret, struct err *e);
/* Leaves running VPs running. */
void daemon_close(struct host *h);

/* What this machine lacks is decided over (unsupported.h). */
void daemon_get_unsupported_facts(const struct host *h,
				  struct unsupported_facts *ret);

static inline void daemon_closep(struct host **h)
{
	daemon_close(*h);
}

#endif

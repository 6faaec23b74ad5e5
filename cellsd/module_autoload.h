/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel modules that load by themselves. Who asks the kernel for a file
 * system, a kind of link or a filter that it does not have makes it run the
 * program that kernel.modprobe names (linux:
 * Documentation/admin-guide/sysctl/kernel.rst). With load-modules = no that is
 * set aside while VPs run. The device's own modprobe goes on working, so udev
 * does; what cellsd needs of the kernel is loaded when cellsd starts.
 */
#ifndef CELLSD_MODULE_AUTOLOAD_H
#define CELLSD_MODULE_AUTOLOAD_H

struct autoload;
struct err;
struct host;

/*
 * *ret NULL: nothing is to be set aside, by the configuration or because the
 * kernel has no modules. What a cellsd before this one set aside comes back
 * then. An error where it could not be.
 */
int autoload_new(const struct host *h, struct autoload **ret, struct err *e);
/* What is set aside stays so: VPs outlive the daemon. */
void autoload_free(struct autoload *a);

/* A VP is about to run. */
int autoload_stop(const struct host *h, struct err *e);
/* A VP ended or did not start. When none runs any more, what was set aside
 * comes back. */
void autoload_settle(const struct host *h);
/* cellsd starts, and knows which VPs have gone on: one of these. */
int autoload_resume(const struct host *h, struct err *e);

static inline void autoload_freep(struct autoload **a)
{
	autoload_free(*a);
}

#endif

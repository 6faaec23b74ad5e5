/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel modules that load by themselves. Who asks the kernel for a file
 * system, a kind of link or a filter that it does not have makes it run the
 * program that kernel.modprobe names (linux:
 * Documentation/admin-guide/sysctl/kernel.rst). With load-modules = no that is
 * set aside while VPs run. The device's own modprobe goes on working, so udev
 * does; what cellsd needs of the kernel is loaded when cellsd starts.
 */
#ifndef CELLSD_LIFECYCLE_MODULE_AUTOLOAD_H
#define CELLSD_LIFECYCLE_MODULE_AUTOLOAD_H

#include <stdbool.h>

struct module_autoload;
struct err;
struct vp_table;

/*
 * *ret NULL: nothing is to be set aside, by the configuration or because the
 * kernel has no modules. What a cellsd before this one set aside comes back
 * then. An error where it could not be.
 */
int module_autoload_new(const char *run_dir, bool load,
			const struct vp_table *vps,
			struct module_autoload **ret, struct err *e);
/* What is set aside stays so: VPs outlive the daemon. In what follows, NULL
 * has nothing to do. */
void module_autoload_free(struct module_autoload *a);

/* A VP is about to run. */
int module_autoload_disable(const struct module_autoload *a, struct err *e);
/* A VP ended or did not start. When none runs any more, what was set aside
 * comes back. */
void module_autoload_restore_if_idle(const struct module_autoload *a);
/* cellsd starts, and knows which VPs have gone on: one of these. */
int module_autoload_resume(const struct module_autoload *a, struct err *e);

static inline void module_autoload_freep(struct module_autoload **a)
{
	module_autoload_free(*a);
}

#endif

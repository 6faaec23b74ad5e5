/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows when a VP that is to be locked or wiped has ended: its key
 * leaves the kernel, as soon as nothing holds its files any more; then slots
 * are destroyed; then, for a wipe, the data is deleted (erase.h). A wipe's
 * steps are in the log before they are done, and each can be done again.
 */
#ifndef CELLSD_LIFECYCLE_KEY_EVICTION_H
#define CELLSD_LIFECYCLE_KEY_EVICTION_H

#include <systemd/sd-event.h>

struct erase;
struct prestart;
struct vp;
struct vp_data;
struct vp_table;

/* What it works on. */
struct key_eviction {
	struct vp_table *vps;
	struct vp_data *vp_data;
	struct prestart *prestart;
	const struct erase *erase;
	sd_event *loop;
};

/* The VP has no process; its waiters are called when it is done, or with the
 * reason why not. */
void key_eviction_start(const struct key_eviction *k, struct vp *v);

#endif

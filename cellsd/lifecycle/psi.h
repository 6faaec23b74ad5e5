/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When memory runs short (PSI), prepared VPs are discarded; then one program of
 * a VP in the background is ended, the one that the kernel would take first;
 * then we look again. Never an init, never one of the VP in front, never one
 * outside of VPs.
 */
#ifndef CELLSD_LIFECYCLE_PSI_H
#define CELLSD_LIFECYCLE_PSI_H

#include <stdint.h>
#include <systemd/sd-event.h>

struct err;
struct host_callbacks;
struct prestart;
struct psi;
struct vp_table;

#define PSI_STALL_MS 150 /* of a second in which programs waited for memory */
#define PSI_STALL_MS_MAX 1000

struct psi_options {
	uint64_t stall_ms;
	const struct vp_table *vps;
	struct prestart *prestart;
	const struct host_callbacks *callbacks;
};

/* 0 ms: *ret is NULL. A kernel without PSI: the same, logged. */
int psi_new(const struct psi_options *o, sd_event *loop, struct psi **ret,
	    struct err *e);
void psi_free(struct psi *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When memory runs short (PSI), prepared VPs are discarded; then one program of
 * a VP in the background is ended, the one that the kernel would take first;
 * then we look again. Never an init, never one of the VP in front, never one
 * outside of VPs.
 */
#ifndef CELLSD_PSI_H
#define CELLSD_PSI_H

#include <stdint.h>

struct err;
struct host;
struct pressure;

#define PRESSURE_MS 150 /* of a second in which programs waited for memory */
#define PRESSURE_MS_MAX 1000

/* 0 ms: *ret is NULL. A kernel without PSI: the same, logged. */
int pressure_new(struct host *h, uint64_t ms, struct pressure **ret,
		 struct err *e);
void pressure_free(struct pressure *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secure time (10-policy): what the greatest `issued` of an accepted snapshot
 * and the boot clock say together. Arithmetic only; the caller reads clocks and
 * saves the text.
 *
 * Five minutes are added at a start, since that much may be missing from what
 * was saved. Starts within one boot add them once: there the boot clock tells
 * how long the program was away. A fresh snapshot takes the additions back, so
 * that they cannot grow beyond a snapshot's life.
 */
#ifndef POLICYD_SECURETIME_H
#define POLICYD_SECURETIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECURETIME_STEP 300  /* seconds: between savings, and for each start */
#define SECURETIME_SLACK 300 /* how much clocks may differ */
#define SECURETIME_TEXT_SIZE 128

struct securetime {
	int64_t base;  /* seconds since 1970 at boot_ns; 0: not known yet */
	int64_t added; /* for starts since the last fresh snapshot */
	uint64_t boot_ns;
	bool step_taken; /* in this boot, since the last fresh snapshot */
	char boot[40];	 /* the boot's id */
};

/* From what was saved ("" or anything else: nothing known), at a start. */
void securetime_start(struct securetime *st, const char *saved,
		      const char *boot, uint64_t boot_ns);
/* What is saved, for securetime_start(). */
void securetime_text(const struct securetime *st, uint64_t boot_ns,
		     char ret[SECURETIME_TEXT_SIZE]);

/* Seconds since 1970; a little above 0 while nothing is known. */
int64_t securetime_now(const struct securetime *st, uint64_t boot_ns);
/* Without the additions: what was measured. */
int64_t securetime_measured(const struct securetime *st, uint64_t boot_ns);

/* A snapshot issued then was accepted. */
void securetime_snapshot(struct securetime *st, int64_t issued,
			 uint64_t boot_ns);
/* Begins anew: a root with other director keys, an enrolment. */
void securetime_reset(struct securetime *st, int64_t issued, uint64_t boot_ns);

/* The present boot's id. */
void securetime_boot_id(char ret[40]);

#endif

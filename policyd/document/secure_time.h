/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secure time: what the greatest `issued` of an accepted snapshot and the boot
 * clock say together. Arithmetic only; the caller reads clocks and saves the
 * text.
 *
 * Confirmed time is what was signed and measured: whether something newer is
 * fresh is tested against it. Presumed time adds five minutes at a start, since
 * that much may be missing from what was saved. Starts within one boot add them
 * once: there the boot clock says how long the program was away. A fresh
 * snapshot takes the additions back.
 *
 * A holder of the director's key can move both ahead. How long the device was
 * without word is therefore measured by the device alone: seconds that it ran,
 * over all boots, and seconds that it was off by the hardware clock.
 */
#ifndef POLICYD_DOCUMENT_SECURE_TIME_H
#define POLICYD_DOCUMENT_SECURE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECURE_TIME_STEP                                                       \
	300		      /* seconds: between savings, and for each start  \
			       */
#define SECURE_TIME_SLACK 300 /* how much clocks may differ */
#define SECURE_TIME_TEXT_SIZE 400

/* Of a moment: what was measured until then. */
struct secure_time_mark {
	int64_t ran, off; /* seconds */
};

struct secure_time {
	int64_t base;  /* seconds since 1970 at boot_ns; 0: not known yet */
	int64_t added; /* for starts since the last fresh snapshot */
	uint64_t boot_ns;
	bool step_taken;  /* in this boot, since the last fresh snapshot */
	char boot[40];	  /* the boot's id */
	int64_t greatest; /* that base ever was */
	int64_t wall;	  /* hardware clock, when it was saved */
	struct secure_time_mark measured;
	/* The last word of the organisation, and how long it was good for. */
	struct secure_time_mark contact;
	int64_t life;
	/* Time as of the first snapshot, which no later one moves. 0: none came
	 * yet. */
	struct secure_time_mark anchor;
	int64_t anchored;
};

/* From what was saved ("" or anything else: nothing known), at a start. */
void secure_time_start(struct secure_time *st, const char *saved,
		       const char *boot, uint64_t boot_ns, int64_t wall);
/* What is saved, for secure_time_start(). */
void secure_time_format(const struct secure_time *st, uint64_t boot_ns,
			int64_t wall, char ret[SECURE_TIME_TEXT_SIZE]);

/* Seconds since 1970; a little above 0 while nothing is known. */
int64_t secure_time_get_confirmed(const struct secure_time *st,
				  uint64_t boot_ns);
/* With the additions. */
int64_t secure_time_get_presumed(const struct secure_time *st,
				 uint64_t boot_ns);
/* The greatest confirmed time that there ever was; no root sets it back. */
int64_t secure_time_get_greatest(const struct secure_time *st,
				 uint64_t boot_ns);
/* Seconds that the device ran since it was first enrolled. */
int64_t secure_time_get_total_uptime(const struct secure_time *st,
				     uint64_t boot_ns);

/* A snapshot that was news was accepted. */
void secure_time_set_snapshot(struct secure_time *st, int64_t issued,
			      int64_t expires, uint64_t boot_ns);
/* So was a root: word of the organisation, which lives no longer for it. */
void secure_time_set_contact(struct secure_time *st, uint64_t boot_ns);
/* Starts again: a root with other director keys, an enrollment. */
void secure_time_reset(struct secure_time *st, int64_t issued,
		       uint64_t boot_ns);

/*
 * Seconds since the newest snapshot's life was over, by what was measured;
 * below 0: it lives. with_off: time that the device was off counts.
 */
int64_t secure_time_get_silence(const struct secure_time *st, uint64_t boot_ns,
				bool with_off);
/* The same since `expires`, of the group; never longer than since the first
 * snapshot. */
int64_t secure_time_get_lapse(const struct secure_time *st, int64_t expires,
			      uint64_t boot_ns, bool with_off);

/* The present boot's id. */
void secure_time_read_boot_id(char ret[40]);

#endif

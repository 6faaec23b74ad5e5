/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All VPs, and what must be remembered of them, in the log. Each roster_*
 * function that changes something (roster_change.c) writes it before it changes
 * anything in memory; when it fails, nothing has changed.
 */
#ifndef CELLSD_VP_ROSTER_H
#define CELLSD_VP_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "cellsd/limits.h"
#include "cellsd/vp/vp.h"

#define ROSTER_COMMANDS_MAX 1024
#define ROSTER_COMMAND_SIZE 129

struct err;
struct journal;

/* A wipe or remove that was asked for, until its receipt is signed. */
struct roster_command {
	char id[ROSTER_COMMAND_SIZE];
	char vp[VP_NAME_SIZE];
	bool remove;
	bool done;
	uint64_t bytes; /* of data deleted; known before the deletion */
	char medium[64];
	uint32_t slots, keys; /* destroyed; noted before */
	char key_id[33];      /* of the data's key; "": not noted */
	bool incomplete;      /* the key did not leave the kernel in time */
};

struct roster {
	struct journal *journal;
	struct vp *vp[VPS_MAX]; /* in the desired state's order */
	unsigned int n;
	char foreground[VP_NAME_SIZE]; /* "": the host */
	uint64_t front_generation, apply_generation;
	uint64_t starts; /* makes names of leaves unique */
	uint32_t next_number;
	char boot[64];
	struct roster_command *job[ROSTER_COMMANDS_MAX];
	unsigned int n_jobs;
};

/* Reads the log; `boot` is this boot's id: after another one nothing runs. */
int roster_open(const char *path, const char *boot, struct roster **ret,
		struct err *e);
void roster_free(struct roster *r);

/* Rewrites a log that has grown long; a failure leaves it as it is. */
void roster_compact_log(struct roster *r);

/* NULL: there is none (an absent VP which only a job names is none). */
struct vp *roster_find_vp(const struct roster *r, const char *name);
/* The same, as an error: err.no-such-vp. */
int roster_require_vp(const struct roster *r, const char *name, struct vp **ret,
		      struct err *e);
struct vp *roster_get_foreground(const struct roster *r);

/*
 * A desired state under way: VPs with name, conf and rights only, which apply
 * takes out of the list. What is new gets a range of ids.
 */
struct roster_desired {
	uint64_t generation;
	struct vp *vp[VPS_MAX];
	unsigned int n;
};
void roster_desired_fini(struct roster_desired *w);
int roster_apply_desired(struct roster *r, struct roster_desired *w,
			 struct err *e);

/* Moves a VP by an event of the state table: err.vp-state if it may not. */
int roster_apply_event(struct roster *r, struct vp *v, enum vp_event ev,
		       struct err *e);

/* Before a VP is made: v->ready, with a leaf's name that was never used before.
 * err.vp-state: it may not start. */
int roster_record_prepare(struct roster *r, struct vp *v, struct err *e);
/* Before it is let go: v->run, what was v->ready. */
int roster_record_start(struct roster *r, struct vp *v, struct err *e);
/* The automatic start of this boot. */
int roster_record_auto_start(struct roster *r, struct vp *v, struct err *e);

/* Who is in front from now on; NULL: the host. */
int roster_set_foreground(struct roster *r, struct vp *v, struct err *e);

struct roster_command *roster_find_command(struct roster *r, const char *id);
/* The job and, with it, the state wiping. */
int roster_add_command(struct roster *r, struct vp *v, const char *id,
		       bool remove, struct err *e);
/* What a wipe will destroy; the first note is the one that counts. */
int roster_record_wipe_plan(struct roster *r, struct vp *v, uint32_t slots,
			    uint32_t keys, const char *key_id, struct err *e);
/* The key of v's data is still in the kernel, and the wipe goes on. */
int roster_record_incomplete(struct roster *r, struct vp *v, struct err *e);
/* The step of a wipe that is done next. */
int roster_record_wipe_step(struct roster *r, struct vp *v, const char *step,
			    struct err *e);
/* What the deletion will have taken away. */
int roster_record_wipe_bytes(struct roster *r, struct roster_command *job,
			     uint64_t bytes, const char *medium, struct err *e);
/* All jobs of v are done; it is absent, and removed if a job says so. */
int roster_complete_erase(struct roster *r, struct vp *v, struct err *e);
int roster_forget_command(struct roster *r, const char *id, struct err *e);

static inline void roster_freep(struct roster **r)
{
	roster_free(*r);
}

#endif

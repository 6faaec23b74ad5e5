/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All VPs, and what must be remembered of them, in the log. Each vp_table_*
 * function that changes something (vp_table_change.c) writes it before it
 * changes anything in memory; when it fails, nothing has changed.
 */
#ifndef CELLSD_VP_VP_TABLE_H
#define CELLSD_VP_VP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cellsd/limits.h"
#include "cellsd/vp/vp.h"

#define VP_TABLE_COMMANDS_MAX 1024
#define VP_TABLE_COMMAND_SIZE 129

struct err;
struct journal;

/* A wipe or remove that was asked for, until its receipt is signed. */
struct vp_table_command {
	char id[VP_TABLE_COMMAND_SIZE];
	char vp[VP_NAME_SIZE];
	bool remove;
	bool done;
	uint64_t bytes; /* of data deleted; known before the deletion */
	char medium[64];
	uint32_t slots, keys; /* destroyed; noted before */
	char key_id[33];      /* of the data's key; "": not noted */
	bool incomplete;      /* the key did not leave the kernel in time */
};

struct vp_table {
	struct journal *journal;
	struct vp *vp[VPS_MAX]; /* in the desired state's order */
	unsigned int n;
	char foreground[VP_NAME_SIZE]; /* "": the host */
	uint64_t front_generation, apply_generation;
	uint64_t starts; /* makes names of leaves unique */
	uint32_t next_number;
	char boot[64];
	struct vp_table_command *command[VP_TABLE_COMMANDS_MAX];
	unsigned int n_commands;
};

/* Reads the log; `boot` is this boot's id: after another one nothing runs. */
int vp_table_open(const char *path, const char *boot, struct vp_table **ret,
		  struct err *e);
void vp_table_free(struct vp_table *r);

/* Rewrites a log that has grown long; a failure leaves it as it is. */
void vp_table_compact_log(struct vp_table *r);

/* NULL: there is none (an absent VP which only a command names is none). */
struct vp *vp_table_find_vp(const struct vp_table *r, const char *name);
/* The same, as an error: err.no-such-vp. */
int vp_table_require_vp(const struct vp_table *r, const char *name,
			struct vp **ret, struct err *e);
struct vp *vp_table_get_foreground(const struct vp_table *r);

/*
 * A desired state under way: VPs with name, conf and rights only, which apply
 * takes out of the list. What is new gets a range of ids.
 */
struct vp_table_desired {
	uint64_t generation;
	struct vp *vp[VPS_MAX];
	unsigned int n;
};
void vp_table_desired_fini(struct vp_table_desired *w);
int vp_table_apply_desired(struct vp_table *r, struct vp_table_desired *w,
			   struct err *e);

/* Moves a VP by an event of the state table: err.vp-state if it may not. */
int vp_table_apply_event(struct vp_table *r, struct vp *v, enum vp_event ev,
			 struct err *e);

/* Before a VP is made: v->prepared, with a leaf's name that was never used
 * before. err.vp-state: it may not start. */
int vp_table_record_prepare(struct vp_table *r, struct vp *v, struct err *e);
/* Before it is let go: v->run, what was v->prepared. */
int vp_table_record_start(struct vp_table *r, struct vp *v, struct err *e);
/* The automatic start of this boot. */
int vp_table_record_auto_start(struct vp_table *r, struct vp *v, struct err *e);

/* Who is in front from now on; NULL: the host. */
int vp_table_set_foreground(struct vp_table *r, struct vp *v, struct err *e);

struct vp_table_command *vp_table_find_command(struct vp_table *r,
					       const char *id);
/* The command and, with it, the state wiping. */
int vp_table_add_command(struct vp_table *r, struct vp *v, const char *id,
			 bool remove, struct err *e);
/* What a wipe will destroy; the first note is the one that counts. */
int vp_table_record_wipe_plan(struct vp_table *r, struct vp *v, uint32_t slots,
			      uint32_t keys, const char *key_id, struct err *e);
/* The key of v's data is still in the kernel, and the wipe goes on. */
int vp_table_record_incomplete(struct vp_table *r, struct vp *v, struct err *e);
/* The step of a wipe that is done next. */
int vp_table_record_wipe_step(struct vp_table *r, struct vp *v,
			      const char *step, struct err *e);
/* What the deletion will have taken away. */
int vp_table_record_wipe_bytes(struct vp_table *r,
			       struct vp_table_command *command, uint64_t bytes,
			       const char *medium, struct err *e);
/* All commands of v are done; it is absent, and removed if a command says so.
 */
int vp_table_complete_erase(struct vp_table *r, struct vp *v, struct err *e);
int vp_table_forget_command(struct vp_table *r, const char *id, struct err *e);

static inline void vp_table_freep(struct vp_table **r)
{
	vp_table_free(*r);
}

#endif

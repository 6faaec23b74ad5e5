/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots file of a VP on disk (for its form see keyslots.h). A slot is
 * written to an empty place and synced before the one that it replaces is
 * overwritten; a power cut leaves the old, the new or both.
 */
#ifndef CELLSD_STORAGE_KEYSLOT_FILE_H
#define CELLSD_STORAGE_KEYSLOT_FILE_H

#include "cellsd/storage/keyslots.h"

struct err;

/* -ENOENT: there is none. -EBADMSG. */
int keyslot_file_read(int dir, const char *name, struct keyslots *ret,
		      struct err *e);

/* Makes the file with the slots that `s` has; -EEXIST. */
int keyslot_file_create(int dir, const char *name, const struct keyslots *s,
			struct err *e);

/* Adds a slot, which takes the place of others of its type. */
int keyslot_file_replace_slot(int dir, const char *name, struct keyslots *s,
			      const struct keyslot *p, struct err *e);

/* Overwrites the slots of that type; *ret_n (may be NULL): how many. */
int keyslot_file_destroy_slots(int dir, const char *name, struct keyslots *s,
			       enum keyslot_type t, unsigned int *ret_n,
			       struct err *e);

/* Overwrites all of it, unlinks it, syncs. None is not an error. */
int keyslot_file_shred(int dir, const char *name, struct err *e);

#endif

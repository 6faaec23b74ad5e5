/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one append-only log of cellsd: what it is about to do, and what it must
 * remember. Records are words; they are written in batches, and a batch is
 * there whole or not at all: its last line holds its CRC, and a torn tail is
 * cut off when the log is opened.
 */
#ifndef CELLSD_VP_JOURNAL_H
#define CELLSD_VP_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_FIELDS_MAX 8

struct err;
struct journal;

/* A record of the log: n words. */
typedef int journal_record_fn(void *arg, const char *const *word,
			      unsigned int n, struct err *e);

/* Opens (makes) the log and calls fn for each record. -EBADMSG: damaged. */
int journal_open(const char *path, journal_record_fn *fn, void *arg,
		 struct journal **ret, struct err *e);
void journal_close(struct journal *j);

/* Adds a record to the batch; a NULL ends the words. Cannot fail: see commit.
 */
void journal_add_record(struct journal *j, ...) __attribute__((sentinel));

/* Writes the batch durably. On failure nothing of it is in the log. */
int journal_commit_batch(struct journal *j, struct err *e);

/*
 * The same for what matters only until the machine is off: who runs, who is in
 * front. It survives the daemon's death at once, a power cut with the next
 * commit.
 */
int journal_commit_unsynced(struct journal *j, struct err *e);

/* Drops the batch. */
void journal_discard_batch(struct journal *j);

/* Writes the batch as the whole log: what came before it is dropped. */
int journal_rewrite(struct journal *j, struct err *e);

/* Has the log grown so that it is worth a rewrite? */
bool journal_needs_rewrite(const struct journal *j);

static inline void journal_closep(struct journal **j)
{
	journal_close(*j);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What survives: one sqlite file (schema/sql/policyd-001.sql) in the state
 * folder. Every change is in a transaction; what is read inside one sees
 * its own writes. Numbers that rise live in the file only, so that a rollback
 * takes them back as well.
 */
#ifndef POLICYD_STORE_STORE_H
#define POLICYD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/document/doc.h"

struct err;
struct store;

int store_open(const char *dir, struct store **ret, struct err *e);
void store_close(struct store *s);

/*
 * AUTO(store_rollbackp) takes everything back that store_commit() was not
 * reached for. A durable change survives a power cut once committed, any other
 * at least the end of the program, and a power cut once a later durable one or
 * store_sync() is done. Transactions do not nest.
 */
int store_begin(struct store *s, bool durable, struct store **ret_tx,
		struct err *e);
/* The same for what may be refused when the disk is full (err.storage-full):
 * documents, refusals, what happens in VPs. It leaves the reserve to the rest.
 */
int store_begin_bulk(struct store *s, bool durable, struct store **ret_tx,
		     struct err *e);
int store_commit(struct store **tx, struct err *e);
void store_rollbackp(struct store **tx);
/* Needed before anything of the store is shown to the outside: numbers that a
 * power cut took back would be given a second time. */
int store_sync(struct store *s, struct err *e);

/*
 * Free pages in the file, and a log of that size beside it: with them a lock, a
 * wipe, an unlock and their receipts are written on a disk that is full.
 */
#define STORE_RESERVE_MIN (3 * 1024 * 1024) /* the largest bulk leaves one */
#define STORE_RESERVE_MAX (5 * 1024 * 1024)
/* Fills the reserve up if it is below the minimum. err.storage-full. Not inside
 * a transaction. */
int store_fill_reserve(struct store *s, struct err *e);

/* ---- single values */
#define STORE_KEY "receipt-key" /* PEM */
#define STORE_DEVICE "device"
#define STORE_EPOCH "epoch"
#define STORE_ORG "org"
#define STORE_PIN "pin" /* digest of the first root, hex */
#define STORE_GROUP "group"
#define STORE_GROUP_MIN "group-min"
#define STORE_MEMBER_ISSUED "membership-issued"
#define STORE_MEMBER_DIGEST "membership-digest" /* of the last one, hex */
#define STORE_SNAPSHOT "snapshot" /* payload of the one in force */
#define STORE_STAGED "staged"	  /* payload of the one that is awaited */
#define STORE_SNAPSHOT_FLOOR "snapshot-floor"
#define STORE_SNAPSHOT_DIGEST "snapshot-digest" /* of the floor, hex */
#define STORE_TIME "secure-time"
#define STORE_RECEIPT_SEQ "receipt-seq"
#define STORE_RECEIPT_HEAD "receipt-head" /* digest of the newest, hex */
#define STORE_RECEIPT_BYTES "receipt-bytes"
#define STORE_RECEIPT_FLOOR "receipt-floor" /* up to it none is sent again */
#define STORE_RECEIPT_ACKED "receipt-acked"
#define STORE_AUDIT_SEQ "audit-seq"
#define STORE_AUDIT_HEAD "audit-head" /* hex */
#define STORE_AUDIT_ACKED "audit-acked"
#define STORE_AUDIT_BYTES "audit-bytes"
#define STORE_AUDIT_LOST "audit-lost"
#define STORE_APPLYING "applying" /* 1: cellsd has not answered yet */
#define STORE_GENERATION "generation"
#define STORE_DESIRED "desired" /* digest of what was last applied */
#define STORE_LEVEL "level"
#define STORE_FRONT "front"
#define STORE_FRONT_GENERATION "front-generation"
#define STORE_RESETTING "resetting"
#define STORE_CHECKED "checked" /* boot in which layers were */
#define STORE_COMMAND_NUMBER "job-number"
#define STORE_UNTOLD "refusals-untold" /* counted, not reported */

/* `otherwise`, if there is none. */
int store_get_int(struct store *s, const char *name, int64_t otherwise,
		  int64_t *ret, struct err *e);
/* And if it cannot be read: not for what a document is refused by. */
int64_t store_get_int_or_default(struct store *s, const char *name,
				 int64_t otherwise);
int store_set_int(struct store *s, const char *name, int64_t v, struct err *e);
/* Adds 1 and returns the sum. */
int store_increment(struct store *s, const char *name, int64_t *ret,
		    struct err *e);
/* The caller frees *ret, which has a NUL behind it. -ENOENT. */
int store_lookup_text(struct store *s, const char *name, char **ret,
		      struct err *e);
/* A copy of `otherwise`, if there is none. */
int store_get_text(struct store *s, const char *name, const char *otherwise,
		   char **ret, struct err *e);
/* Replaces; there need not have been one. */
int store_set_text(struct store *s, const char *name, const char *v,
		   struct err *e);
int store_remove_value(struct store *s, const char *name, struct err *e);
/* Everything but the schema. */
int store_clear_all(struct store *s, struct err *e);
/* What belongs to one enrollment: receipts, audit, commands, snapshots. */
int store_clear_enrollment(struct store *s, struct err *e);

/* ---- roots and documents; envelopes as text, the caller frees; -ENOENT */
int store_put_root(struct store *s, const struct doc_head *head,
		   const char *envelope, struct err *e);
/* Each root that is held, the newest first; other than 0 ends it and is what it
 * returns. */
typedef int store_root_fn(void *ctx, int64_t version, const char *envelope,
			  struct err *e);
int store_each_root(struct store *s, store_root_fn *fn, void *ctx,
		    struct err *e);

int store_drop_root(struct store *s, int64_t version, struct err *e);

int store_put_document(struct store *s, const struct doc_head *head,
		       const char *envelope, struct err *e);
int store_get_document(struct store *s, const uint8_t digest[HASH_SIZE],
		       char **ret, struct err *e);
/* Deletes documents that are neither in force, staged nor a floor. */
int store_sweep_documents(struct store *s, struct err *e);

/* A row of what is in force: a plan, which the document itself has to bear out.
 * Borrowed. */
struct store_row {
	const char *type, *id;
	uint8_t digest[HASH_SIZE];
	const char *envelope; /* "": there is no such document */
};
/* Each that is in force; other than 0 ends it and is what it returns. */
typedef int store_row_fn(void *ctx, const struct store_row *row, struct err *e);
int store_each_in_force(struct store *s, store_row_fn *fn, void *ctx,
			struct err *e);
int store_clear_in_force(struct store *s, struct err *e);
/* A row that cannot be explained. */
int store_drop_in_force(struct store *s, const char *type, const char *id,
			struct err *e);
int store_put_in_force(struct store *s, const struct doc_head *head,
		       struct err *e);

int store_clear_staged(struct store *s, struct err *e);
/* UNLOCKED: accepted during cellsctl unlock-config for it. */
enum store_staged { STORE_AWAITED, STORE_ACCEPTED, STORE_UNLOCKED };
int store_put_staged(struct store *s, const uint8_t digest[HASH_SIZE],
		     enum store_staged state, struct err *e);
int store_get_staged(struct store *s, const uint8_t digest[HASH_SIZE],
		     enum store_staged *ret, struct err *e);

struct store_floor {
	uint32_t version; /* 0: does not count under the root in force */
	uint8_t digest[HASH_SIZE];
};
/* -ENOENT: never in force. */
int store_get_floor(struct store *s, enum doc_type type, const char *id,
		    struct store_floor *ret, struct err *e);
/* This version is the floor now, and counts. */
int store_raise_floor(struct store *s, const struct doc_head *head,
		      struct err *e);
/* Asks fn (1 yes, 0 no) whether each floor's document counts still. */
typedef int store_document_fn(void *ctx, enum doc_type type,
			      const char *envelope, struct err *e);
int store_recount_floors(struct store *s, store_document_fn *fn, void *ctx,
			 struct err *e);

/* ---- commands */
/* Of each role: those that are held until they expire, and those of which only
 * the refusal is remembered. */
#define STORE_COMMANDS_MAX 2048
#define STORE_VOID_MAX 512
#define STORE_WORD_SIZE 24
struct store_command {
	char id[DOC_ID_SIZE], vp[DOC_ID_SIZE];
	enum doc_type type; /* DOC_NONE: the device's own rule */
	uint32_t version;
	uint8_t digest[HASH_SIZE];
	int64_t expires;
	int64_t keep; /* its id, until the device ran so many seconds */
	char action[STORE_WORD_SIZE], cause[STORE_WORD_SIZE];
	bool done, is_started;
	bool is_void;	 /* refused: never to be done, nor held to a quota */
	int64_t receipt; /* seq; 0: none yet */
};
/*
 * Ids are kept until the command expired by the greatest confirmed time there
 * ever was, and the device ran as long as the command lives: else one that is
 * done runs again, once time was moved ahead and set back. err.busy:
 * STORE_COMMANDS_MAX of the role are held. Of void ones the oldest go.
 */
int store_put_command(struct store *s, const struct store_command *j,
		      int64_t greatest, int64_t ran, struct err *e);
/* -ENOENT. */
int store_get_command(struct store *s, const char *id,
		      struct store_command *ret, struct err *e);
/* It is done, or void; `receipt` is the one that reported it, and its key is
 * forgotten. */
int store_mark_command_done(struct store *s, const char *id, int64_t receipt,
			    bool is_void, struct err *e);
/* The key that an unlock command carries, until the command is done. */
int store_put_sealed_key(struct store *s, const char *id, const void *key,
			 size_t len, struct err *e);
/* *ret is the caller's. -ENOENT: it carries none. */
int store_get_sealed_key(struct store *s, const char *id, void **ret,
			 size_t *ret_len, struct err *e);
/* cellsd is about to be given it. */
int store_mark_command_started(struct store *s, const char *id, struct err *e);
/* Those that are not done, in order; at most max. Returns how many or <0. */
int store_list_open_commands(struct store *s, struct store_command *ret,
			     unsigned int max, struct err *e);

/* ---- receipts, by their numbers */
int store_put_receipt(struct store *s, int64_t seq, const char *payload,
		      struct err *e);
/* At most `max` behind `after`, in order; other than 0 ends it and is what it
 * returns. */
typedef int store_receipt_fn(void *ctx, int64_t seq, const char *payload,
			     struct err *e);
int store_each_receipt(struct store *s, int64_t after, unsigned int max,
		       store_receipt_fn *fn, void *ctx, struct err *e);
/* The payload, which the caller frees. -ENOENT. */
int store_get_receipt(struct store *s, int64_t seq, char **ret, struct err *e);
/* The number of the oldest; 0: there is none. */
int store_get_oldest_receipt(struct store *s, int64_t *ret, struct err *e);
/* Deletes the oldest up to seq, and not those that a command refers to, until
 * `bytes` are gone. *ret: how many bytes, *ret_last: up to which number (0:
 * none were there). */
int store_drop_receipts(struct store *s, int64_t upto, int64_t bytes,
			int64_t *ret, int64_t *ret_last, struct err *e);
/* Deletes those behind seq; commands that refer to one of them refer to its
 * number with a minus then, which store_update_receipt_refs() takes back. */
int store_truncate_receipts(struct store *s, int64_t after, struct err *e);
int store_update_receipt_refs(struct store *s, int64_t from, int64_t to,
			      struct err *e);

/* ---- audit */
int store_put_audit(struct store *s, int64_t seq, const char *record,
		    struct err *e);
typedef int store_audit_fn(void *ctx, int64_t seq, const char *record,
			   struct err *e);
int store_each_audit(struct store *s, int64_t after, unsigned int max,
		     store_audit_fn *fn, void *ctx, struct err *e);
/* The record's text, which the caller frees. -ENOENT. */
int store_get_audit(struct store *s, int64_t seq, char **ret, struct err *e);
int store_get_oldest_audit(struct store *s, int64_t *ret, struct err *e);
/* How much of it are records of refused documents. */
int store_get_refused_bytes(struct store *s, int64_t *ret, struct err *e);
int store_truncate_audit(struct store *s, int64_t after, struct err *e);
/* Deletes the oldest records up to seq until `bytes` are gone; *ret: how many.
 */
int store_drop_audit(struct store *s, int64_t upto, int64_t bytes, int64_t *ret,
		     struct err *e);

/* ---- what was reported as gone */
/* The receipt that says that `last` is the last that is gone. -ENOENT. */
int store_get_gap(struct store *s, const char *stream, int64_t last,
		  int64_t *ret, struct err *e);
/* Of this stream the only one. */
int store_set_gap(struct store *s, const char *stream, int64_t first,
		  int64_t last, int64_t receipt, struct err *e);

/* ---- wrong passwords */
struct store_counter {
	uint32_t wrong;
	uint64_t boot_ns; /* of the last one */
};
/* All 0 where there is none. */
int store_get_counter(struct store *s, const char *kind, const char *name,
		      struct store_counter *ret, struct err *e);
int store_set_counter(struct store *s, const char *kind, const char *name,
		      const struct store_counter *c, struct err *e);

/* ---- VPs as cellsd last reported */
/* "absent" for one never seen. */
int store_get_vp_state(struct store *s, const char *vp,
		       char ret[STORE_WORD_SIZE], struct err *e);
int store_set_vp_state(struct store *s, const char *vp, const char *state,
		       struct err *e);
/* Keeps whether its data's file system has an error that is not mended yet.
 * 1: it was kept otherwise, or not at all. */
int store_set_vp_damaged(struct store *s, const char *vp, bool damaged,
			 struct err *e);
/* The config version under which the VP was wiped or removed; 0: it was not. */
int store_get_vp_gone(struct store *s, const char *vp, int64_t *ret,
		      struct err *e);
int store_set_vp_gone(struct store *s, const char *vp, int64_t version,
		      struct err *e);

/* ---- refusals: what was reported, so that the same is not reported at once
 * again */
struct store_refusal {
	const uint8_t *digest; /* of what was refused */
	const char *reason;
	bool is_signed; /* its signatures held */
	int64_t now, since;
	unsigned int max; /* reported since `since`, of one is_signed */
};
enum store_refusal_state { STORE_NEWS, STORE_TOLD, STORE_TOO_MANY };
/* Whether it is to be reported, and is noted as reported; else it is counted.
 * *ret: how often it was counted since it was reported last. Returns an enum
 * store_refusal_state. */
int store_record_refusal(struct store *s, const struct store_refusal *f,
			 int64_t *ret, struct err *e);

static inline void store_closep(struct store **s)
{
	store_close(*s);
}

#endif

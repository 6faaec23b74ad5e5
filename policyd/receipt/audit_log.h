/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: a chain of records (lib/document/audit.h) in the store. It is
 * bounded: what the server has goes first; when even that is not enough, new
 * records are counted instead of kept, and a record of the loss is the next
 * that is.
 */
#ifndef POLICYD_RECEIPT_AUDIT_LOG_H
#define POLICYD_RECEIPT_AUDIT_LOG_H

#include "lib/document/audit.h"

#define AUDIT_LOG_BYTES_MAX (INT64_C(64) * 1024 * 1024)

struct err;
struct recorder;
struct store;

/* Inside a transaction. `detail` is taken over, also when it fails; vp and cls
 * may be NULL. Nothing is written by a device that is not enrolled. */
int audit_log_write(const struct recorder *rec, enum audit_event ev,
		    const char *vp, const char *cls, json_t *detail,
		    struct err *e);

/* So many events were lost elsewhere, or here since the queue is full. */
int audit_log_write_lost(const struct recorder *rec, int64_t count,
			 const char *cause, struct err *e);

/* The chain's position: at 0 only if there is no record yet. */
int audit_log_get_chain(struct store *s, struct audit_chain *ret,
			struct err *e);

/* Writes a record's text again at the chain's end, with the time that it bears.
 */
int audit_log_rechain_record(const struct recorder *rec, const char *record,
			     struct err *e);

/* The batch behind `after`, as JSON text that the caller frees; *ret NULL:
 * there is none. */
int audit_log_build_batch(const struct recorder *rec, int64_t after, char **ret,
			  struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash chain of a device's audit records. A record is one JSON text,
 * compact and with sorted members; its bytes are what is hashed and what
 * travels, so nobody ever has to write it again in the same way.
 *   {"class":S?,"detail":{...},"event":S,"prev":"sha256:<hex>","seq":N,
 *    "time":T,"vp":S?}
 * `prev` is the SHA-256 of the record before; 32 zero bytes before the first.
 * A batch is {"records":[text,...],"head":ENVELOPE}; the head's payload is
 *   {"device","epoch","format":1,"head":"sha256:<hex>","seq":N,"time":T}
 */
#ifndef LIB_DOCUMENT_AUDIT_H
#define LIB_DOCUMENT_AUDIT_H

#include <stdint.h>

#include "lib/crypto/key.h"
#include "lib/json.h"

#define AUDIT_BATCH_MAX 1000
#define AUDIT_RECORD_MAX 8192
#define AUDIT_HEAD_TYPE ENVELOPE_TYPE_JSON("audit-head")

struct err;

/* The words of `event`, once. */
#define AUDIT_EVENTS(X)                                                        \
	X(MODE, "mode")                                                        \
	X(OPEN, "open")                                                        \
	X(DENY, "deny")                                                        \
	X(CLOSE, "close")                                                      \
	X(REVOKE, "revoke")                                                    \
	X(SWITCH, "switch")                                                    \
	X(LOCK, "lock")                                                        \
	X(UNLOCK, "unlock")                                                    \
	X(WIPE, "wipe")                                                        \
	X(REMOVE, "remove")                                                    \
	X(START, "start")                                                      \
	X(STOP, "stop")                                                        \
	X(ACCEPTED, "accepted")                                                \
	X(REFUSED, "refused")                                                  \
	X(ENROLLED, "enrolled")                                                \
	X(PASSWORD, "password")                                                \
	X(CLOCK, "clock")                                                      \
	X(ATTENTION, "attention")                                              \
	X(PRESSURE, "pressure")                                                \
	X(LOST, "lost")

enum audit_event {
#define AUDIT_EVENT_SYMBOL(s, w) AUDIT_##s,
	AUDIT_EVENTS(AUDIT_EVENT_SYMBOL)
#undef AUDIT_EVENT_SYMBOL
		AUDIT_EVENT_COUNT,
};
/* Static. */
const char *audit_event_name(enum audit_event ev);

struct audit_chain {
	uint64_t seq;		 /* of the last record; 0: none yet */
	uint8_t head[HASH_SIZE]; /* its hash */
};

/*
 * Makes the next record's text, which the caller frees, and moves the chain on.
 * vp and cls may be NULL; `detail` may be NULL and is borrowed. `time` is in
 * seconds since 1970. -EMSGSIZE: beyond AUDIT_RECORD_MAX; the chain stays.
 */
int audit_append(struct audit_chain *c, enum audit_event ev, int64_t time,
		 const char *vp, const char *cls, json_t *detail, char **ret,
		 struct err *e);

/* Tests that the record continues the chain, and moves it on. -EBADMSG. */
int audit_verify_record(struct audit_chain *c, const char *record, size_t len,
			struct err *e);

/* The signed head of a chain: an envelope text that the caller frees. */
int audit_sign_head(const struct audit_chain *c, const char *device,
		    const char *epoch, int64_t time, const struct key *k,
		    char **ret, struct err *e);

/* A parsed head; the texts are borrowed from `json`. */
struct audit_head {
	json_t *json; /* owned */
	const char *device, *epoch, *time;
	uint8_t head[HASH_SIZE]; /* of the record `seq` */
	int64_t seq;
};
/* Opens a head's envelope: type, signature by the key, form. The caller ends
 * *ret. -EBADMSG; another key: err.unknown-key or err.signature. */
int audit_open_head(json_t *envelope, const struct key *k,
		    struct audit_head *ret, struct err *e);
void audit_head_fini(struct audit_head *h);

/*
 * Verifies a whole batch by the key from the chain's position on; on success
 * the chain is after it, else where it was. -EBADMSG; a head by another
 * key err.unknown-key or err.signature.
 */
int audit_check_batch(json_t *batch, const char *device, const char *epoch,
		      const struct key *k, struct audit_chain *c,
		      struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's part of an enrollment (10-policy "Enrollment"), and the renewal
 * of its certificate. cells-policyd provides the server's address and the
 * digest of the CA to trust. The agent checks the answer as far as it can, and
 * cells-policyd checks it again.
 */
#ifndef AGENT_ENROLL_H
#define AGENT_ENROLL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

struct identity_enrollment;
struct err;
struct identity;

/* The answer of EnrollStart; strings are borrowed from `json`. */
struct enroll_request {
	void *json; /* owned */
	const char *host, *admit, *bind, *receipt_csr;
	uint16_t port;
	uint8_t ca[HASH_SIZE];
};

int enroll_parse_request(const char *text, size_t len,
			 struct enroll_request *ret, struct err *e);
void enroll_request_fini(struct enroll_request *rq);

/*
 * Parses the server's answer and checks it against our key and the CA pin at
 * time `now`. -EINVAL, -EKEYREJECTED.
 */
int enroll_parse_answer(const char *text, size_t len,
			const struct enroll_request *rq,
			const struct identity *id, int64_t now,
			struct identity_enrollment *ret, struct err *e);

/*
 * Sends the request; *ret is the answer, which the caller frees. `server`, if
 * not NULL, replaces the host of the request. Blocks, so it runs in a worker.
 */
int enroll_send_request(const struct identity *id,
			const struct enroll_request *rq, const char *server,
			char **ret, struct err *e);
/* Stages the enrollment of the answer. */
int enroll_accept_answer(struct identity *id, const struct enroll_request *rq,
			 const char *answer, size_t len, struct err *e);

/*
 * The time at which the certificate is renewed: after two thirds of its
 * lifetime.
 */
int enroll_get_renewal_time(const struct identity *id, int64_t *ret,
			    struct err *e);

/* The same two steps for the renewal of the certificate. */
int enroll_send_renewal(const struct identity *id, const char *server,
			char **ret, struct err *e);
int enroll_accept_renewal(struct identity *id, const char *answer, size_t len,
			  struct err *e);

#endif

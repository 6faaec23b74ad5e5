/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's half of an enrollment (10-policy "Enrollment"), and the renewal
 * of its certificate. cells-policyd says where to go and which CA to trust
 * there; what comes back is tested here as far as the agent can, and by
 * cells-policyd.
 */
#ifndef AGENT_ENROLL_H
#define AGENT_ENROLL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

struct identity_enrollment;
struct err;
struct identity;

/* What EnrollStart answered; strings borrowed from `json`. */
struct enroll_request {
	void *json; /* owned */
	const char *host, *admit, *bind, *receipt_csr;
	uint16_t port;
	uint8_t ca[HASH_SIZE];
};

int enroll_parse_request(const char *text, size_t len,
			 struct enroll_request *ret, struct err *e);
void enroll_request_fini(struct enroll_request *rq);

/* Takes the server's answer apart and tests it against our key and the CA pin
 * at time `now`. -EINVAL, -EKEYREJECTED. */
int enroll_parse_answer(const char *text, size_t len,
			const struct enroll_request *rq,
			const struct identity *id, int64_t now,
			struct identity_enrollment *ret, struct err *e);

/*
 * Asks the server; *ret is its answer, which the caller frees. `server`
 * replaces the host that the request names, if not NULL. Blocks while it talks:
 * a worker's.
 */
int enroll_send_request(const struct identity *id,
			const struct enroll_request *rq, const char *server,
			char **ret, struct err *e);
/* Stages what the answer brought. */
int enroll_accept_answer(struct identity *id, const struct enroll_request *rq,
			 const char *answer, size_t len, struct err *e);

/* When the certificate in use is to be renewed: at two thirds of its life. */
int enroll_get_renewal_time(const struct identity *id, int64_t *ret,
			    struct err *e);

/* The same two steps for a new certificate. */
int enroll_send_renewal(const struct identity *id, const char *server,
			char **ret, struct err *e);
int enroll_accept_renewal(struct identity *id, const char *answer, size_t len,
			  struct err *e);

#endif

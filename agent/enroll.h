/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's half of an enrolment (10-policy "Enrolment"), and the renewal of
 * its certificate. cells-policyd says where to go and which CA to trust there;
 * what comes back is tested here as far as the agent can, and by cells-policyd.
 */
#ifndef AGENT_ENROLL_H
#define AGENT_ENROLL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/hash.h"

struct enrolment;
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
			struct enrolment *ret, struct err *e);

/*
 * Asks the server, and stages what it brought. `server` replaces the host that
 * the request names, if not NULL. The caller frees *ret_answer, which is for
 * EnrollFinish. Blocks while it talks.
 */
int enroll_run(struct identity *id, const struct enroll_request *rq,
	       const char *server, char **ret_answer, struct err *e);

/* When the certificate in use is to be renewed: at two thirds of its life. */
int enroll_renew_at(const struct identity *id, int64_t *ret, struct err *e);

/* Renews it; `server` as above. Blocks while it talks. */
int enroll_renew(struct identity *id, const char *server, int64_t now,
		 struct err *e);

#endif

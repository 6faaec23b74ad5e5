/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency-Key: the same request again gets the first answer, for a day. For
 * requests with a key, on routes that honour it.
 */
#ifndef MGMT_SERVER_STORE_IDEMPOTENCY_H
#define MGMT_SERVER_STORE_IDEMPOTENCY_H

struct err;
struct request;

/* 1: the answer is the kept one; 0: go on; -PROBLEM_KEY_REUSED. */
int idempotency_replay_answer(struct request *rq, struct err *e);
int idempotency_store_answer(struct request *rq, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: commands from outside, and what the device's own
 * rules demand (offline, attempts). Each is written down before it is done and
 * done again after a restart until its receipt is written; cellsd's methods are
 * idempotent, so that it happens once.
 */
#ifndef POLICYD_COMMAND_H
#define POLICYD_COMMAND_H

#include "lib/document/receipt.h"
#include "lib/json.h"
#include "policyd/store/store.h"

struct cellsd_state;
struct command_queue;
struct device_client;
struct document_state;
struct err;
struct recorder;
struct secure_time;
struct submit_result;

/* All borrowed. */
struct command_queue_options {
	const struct recorder *recorder;
	const struct document_state *state;
	const struct cellsd_state *cellsd;
	struct device_client *device;
	/* A command has ended a VP: what cellsd should hold has changed. */
	void (*ended)(void *arg, const char *cause);
	void *arg;
};

int command_new(const struct command_queue_options *o,
		struct command_queue **ret, struct err *e);
void command_free(struct command_queue *q);

/* How long the id of a command is kept that lives so many seconds; and writes
 * it down. */
int64_t command_get_retention(const struct secure_time *time, int64_t life);
int command_save(const struct recorder *rec, const struct store_command *j,
		 struct err *e);

/* A verified command. */
int command_receive(struct command_queue *q, const struct doc_command *c,
		    struct submit_result *ret, struct err *e);

/* A command or membership that was taken before, with the same bytes: its
 * receipt is sent once more. */
int command_repeat_receipt(struct command_queue *q, const struct doc *d,
			   struct submit_result *ret, struct err *e);

/* The device's own rule: lock or wipe the VP. The same id is done once. */
int command_enforce_rule(struct command_queue *q, const char *id,
			 enum doc_action action, const char *vp,
			 const char *cause, struct err *e);

/* Does what is open; called when cellsd is ready, and after each order. */
void command_run_pending(struct command_queue *q);
/* cellsd has gone: no answers will come. */
void command_handle_device_gone(struct command_queue *q);

/* 1: an open command on the VP brings that receipt itself; 0: none does. */
int command_has_pending_receipt(struct store *store, const char *vp,
				enum receipt_type t, struct err *e);
/* The foreground changed. true: by an open command, which keeps the details. */
bool command_handle_switch(struct command_queue *q, const char *to,
			   json_t *details);

/* Receipts to be sent once more, since their command came again: seqs. Returns
 * how many, and forgets them. */
#define COMMAND_AGAIN_MAX 64
unsigned int command_pop_repeated_receipts(struct command_queue *q,
					   int64_t ret[COMMAND_AGAIN_MAX]);

static inline void command_freep(struct command_queue **q)
{
	command_free(*q);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal Pending of org.cells.Policy1: the agent has something to fetch or
 * to do. It carries one word: wants, receipts, audit, enroll, hello.
 */
#ifndef POLICYD_RECEIPT_PENDING_H
#define POLICYD_RECEIPT_PENDING_H

#include <systemd/sd-event.h>

/* Zeroed at first; event is borrowed. NULL: nothing is sent. */
struct pending {
	int (*send)(void *arg, const char *word); /* 0 or -errno */
	void *arg;
	sd_event *event;
	sd_event_source *timer; /* owned; NULL: not used yet */
};
/* Before the bus is closed. */
void pending_fini(struct pending *p);

void pending_signal(const struct pending *p, const char *word);
/* Sends "audit" in 200 ms, once for all records until then. */
void pending_schedule_audit(struct pending *p);

#endif

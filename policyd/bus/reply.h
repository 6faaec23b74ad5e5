/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer that a caller waits for: sent at once, or kept while the work goes
 * on. The caller of a reply that is freed unsent waits until its time-out.
 */
#ifndef POLICYD_BUS_REPLY_H
#define POLICYD_BUS_REPLY_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct layer_download_wanted;
struct reply;

/* Each of these sends the answer. Returns 0, or <0 with e. */
int reply_send_nothing(struct reply *r, struct err *e);
int reply_send_text(struct reply *r, const char *text, struct err *e);
int reply_send_bytes(struct reply *r, const void *data, size_t len,
		     struct err *e);
/* Submit's: the code and the text are "" unless it is refused. */
int reply_send_outcome(struct reply *r, const char *outcome, const char *code,
		       const char *text, struct err *e);
int reply_send_wanted(struct reply *r, const struct layer_download_wanted *rows,
		      size_t n, struct err *e);

struct reply_receipt {
	int64_t seq;
	char *envelope;
};
int reply_send_receipts(struct reply *r, const struct reply_receipt *rows,
			size_t n, struct err *e);

/* The error of a call, with its reason. */
void reply_send_error(struct reply *r, const struct err *why);

void reply_free(struct reply *r);

static inline void reply_freep(struct reply **r)
{
	reply_free(*r);
}

#endif

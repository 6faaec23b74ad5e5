/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads an image to a server: asks which chunks the server lacks, sends
 * these, and then the signed document. After an interruption, the next run
 * continues.
 */
#ifndef IMAGES_PUSHER_H
#define IMAGES_PUSHER_H

#include <stdint.h>

struct bundle;
struct err;
struct http;

struct pusher {
	uint64_t rate; /* bytes per second at most; 0: no limit */
	/* Filled by pusher_run(). */
	uint64_t chunks, sent_chunks, sent_bytes;
	char state[32]; /* of the document at the server */
};

int pusher_run(struct http *h, const struct bundle *b, struct pusher *p,
	       struct err *e);

#endif

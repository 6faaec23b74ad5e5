/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads chunks and chunk lists by their digests: several at once, each into
 * an anonymous file, continued where it broke off, and handed on only if the
 * digest fits. Nothing is kept on disk: what cells-policyd has taken, it has.
 */
#ifndef AGENT_FETCH_H
#define AGENT_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct err;
struct fetch;
struct transport_peer;

#define FETCH_MAX 256 /* wanted at a time */

struct fetch_ops {
	/* Bytes with that digest, in fd from 0 on (borrowed). Answered by
	 * fetch_acknowledge(), now or later. */
	void (*have)(void *user, const char *digest, int fd);
	/* What is left failed and is tried later: is there more to want? */
	void (*more)(void *user);
	/* Nothing is left to do; not `complete`: some cannot be had now. */
	void (*idle)(void *user, bool complete);
};

struct fetch_limits {
	unsigned int lanes; /* GETs at once */
	uint64_t speed;	    /* bytes a second, all together; 0: no limit */
	uint64_t list_max;  /* bytes of a chunk list */
};

int fetch_new(sd_event *event, const struct fetch_limits *limits,
	      const struct fetch_ops *ops, void *user, struct fetch **ret,
	      struct err *e);
void fetch_free(struct fetch *f);

/* There is a server to ask. Before its peer is freed: NULL. What is half there
 * is kept. */
void fetch_set_peer(struct fetch *f, struct transport_peer *peer);

/* -ENOBUFS: FETCH_MAX are wanted. Wanting twice is once. */
int fetch_add_wanted(struct fetch *f, const char *digest, bool is_list);

/* What was handed on was taken, or (with !ok) has to be fetched again. */
void fetch_acknowledge(struct fetch *f, const char *digest, bool ok);

/* Forgets all that is wanted. */
void fetch_clear(struct fetch *f);

/* No download for so long. */
void fetch_hold_off(struct fetch *f, unsigned int seconds);

struct fetch_progress {
	uint64_t done, total; /* bytes since it was idle; total 0: not known */
	char image[72];	      /* digest of the last chunk list; "" */
};
void fetch_get_progress(const struct fetch *f, struct fetch_progress *ret);

static inline void fetch_freep(struct fetch **f)
{
	fetch_free(*f);
}

#endif

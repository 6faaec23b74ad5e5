/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads chunks and chunk lists by their digests: several at once, each into
 * an anonymous file, continued where it broke off, and handed on only if the
 * digest fits. Nothing is kept on disk: what cells-policyd has taken, it has.
 */
#ifndef AGENT_CHUNK_DOWNLOAD_H
#define AGENT_CHUNK_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct err;
struct chunk_download;
struct http_multi;

#define CHUNK_DOWNLOAD_MAX 256 /* wanted at a time */

struct chunk_download_ops {
	/* Bytes with that digest, in fd from 0 on (borrowed). Answered by
	 * chunk_download_acknowledge(), now or later. */
	void (*have)(void *user, const char *digest, int fd);
	/* What is left failed and is tried later: is there more to want? */
	void (*more)(void *user);
	/* Nothing is left to do; not `complete`: some cannot be had now. */
	void (*idle)(void *user, bool complete);
};

struct chunk_download_limits {
	unsigned int lanes; /* GETs at once */
	uint64_t speed;	    /* bytes a second, all together; 0: no limit */
	uint64_t list_max;  /* bytes of a chunk list */
};

int chunk_download_new(sd_event *event,
		       const struct chunk_download_limits *limits,
		       const struct chunk_download_ops *ops, void *user,
		       struct chunk_download **ret, struct err *e);
void chunk_download_free(struct chunk_download *f);

/* There is a server to ask. Before it is freed: NULL. What is half there
 * is kept. */
void chunk_download_set_server(struct chunk_download *f,
			       struct http_multi *server);

/* -ENOBUFS: CHUNK_DOWNLOAD_MAX are wanted. Wanting twice is once. */
int chunk_download_add_wanted(struct chunk_download *f, const char *digest,
			      bool is_list);

/* What was handed on was taken, or (with !ok) has to be fetched again. */
void chunk_download_acknowledge(struct chunk_download *f, const char *digest,
				bool ok);

/* Forgets all that is wanted. */
void chunk_download_clear(struct chunk_download *f);

/* No download for so long. */
void chunk_download_hold_off(struct chunk_download *f, unsigned int seconds);

struct chunk_download_progress {
	uint64_t done, total; /* bytes since it was idle; total 0: not known */
	char image[72];	      /* digest of the last chunk list; "" */
};
void chunk_download_get_progress(const struct chunk_download *f,
				 struct chunk_download_progress *ret);

static inline void chunk_download_freep(struct chunk_download **f)
{
	chunk_download_free(*f);
}

#endif
